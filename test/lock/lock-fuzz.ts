import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { expect } from 'vitest';
import type { Child } from '../support/child';
import { eventually } from '../support/database';

export interface FuzzSetting {
  readonly url: string;
  readonly schema: string;
  readonly child: (script: string) => Child;
  readonly processes: number;
  readonly names: number;
  /** Milliseconds. */
  readonly duration: number;
  readonly ttl: number;
  /** Milliseconds from one disturbance to the next. */
  readonly every: number;
  /** How often PostgreSQL is restarted, and how. */
  readonly restarts?: number;
  readonly restart?: (n: number) => Promise<void>;
}

/** What came of it. */
export interface FuzzResult {
  readonly steps: number;
  readonly acquired: number;
  readonly stopped: number;
  readonly killed: number;
  /** Leases of killed holders that lasted on, and were seen to. */
  readonly orphans: number;
  readonly lost: number;
  readonly errors: Readonly<Record<string, number>>;
}

/** A holder takes locks, reads a counter, dawdles, and adds to what it read in a transaction guarded by the lock. */
const holder = ({ url, schema, names, ttl }: FuzzSetting, tag: string): string => `
const { DataSource } = require('typeorm');
const settings = { url: ${JSON.stringify(url)}, sweeper: { autoStart: false } };
const connected = () => new DataSource({ type: 'postgres', url: settings.url, extra: { max: 8, connectionTimeoutMillis: 5000 } }).initialize();
let dataSource;
while (dataSource === undefined) dataSource = await connected().catch(() => sleep(100)); // PostgreSQL may be restarting.
// A connection of the app's pool that is given up with an error has no listener any more when the server says goodbye.
dataSource.driver.master.on('connect', (client) => client.on('error', () => {}));
const persist = createPersistPg({ ...settings, schema: ${JSON.stringify(schema)}, dataSource });
const fuzz = ${JSON.stringify(`${schema}_fuzz`)}, ttl = ${ttl};
const seen = { steps: 0, acquired: 0, lost: 0, wronglyLost: [], errors: {} };
// When this process stood still last, or the database did not answer.
let stalled = 0, beat = performance.now(), asked;
setInterval(() => {
  const now = performance.now();
  if (now - beat > ttl / 4 || now - asked > ttl / 4) stalled = now;
  beat = now;
}, 10);
const ping = async () => {
  asked = performance.now();
  await dataSource.query('select 1').catch(() => (stalled = performance.now()));
  asked = undefined;
  setTimeout(ping, 50);
};
void ping();
const failed = (error) => { const code = (error.sqlState ?? error.code ?? error.message) + (error.outcomeUnknown ? ' unknown' : ''); seen.errors[code] = (seen.errors[code] ?? 0) + 1; };
const pick = (n) => Math.floor(Math.random() * n);
async function hold(name) {
  const since = performance.now();
  const lock = pick(2) ? await persist.locks.tryAcquire(name, { ttl, description: '${tag}' }) : await persist.locks.acquire(name, { ttl, wait: 500, description: '${tag}' });
  if (lock === undefined) return;
  seen.acquired++;
  let troubled = false;
  try {
    const [{ n }] = await dataSource.query('select n from ' + fuzz + '.counter where name = $1', [name]);
    await dataSource.query('insert into ' + fuzz + '.acquired select name, token, acquired_at from ${schema}.lock where name = $1 and token = $2', [name, lock.fencingToken]);
    let sum = n;
    for (let left = 1 + pick(3); left > 0; left--) {
      await sleep(pick(8) === 0 ? pick(2 * ttl) : pick(20));
      await dataSource.transaction(async (manager) => {
        if (pick(3) === 0) await sleep(pick(10));
        await lock.assertHeld(manager);
        if (pick(6) === 0) await sleep(pick(2 * ttl));
        await manager.query('update ' + fuzz + '.counter set n = $2 where name = $1', [name, sum + 1]);
        await manager.query('insert into ' + fuzz + '.step values ($1, $2)', [name, lock.fencingToken]);
      });
      sum++;
      seen.steps++;
    }
  } catch (error) {
    if (error.code !== 'LOCK_LOST') { troubled = true; failed(error); }
  }
  if (lock.signal.aborted) {
    seen.lost++;
    const { message, cause } = lock.signal.reason;
    // Undisturbed: this process ran, and the database answered.
    if (stalled < since && !troubled && (cause === undefined || cause.code === 'KEY_LOCKED')) seen.wronglyLost.push(message);
  }
  await lock.release().catch(failed);
}
let over = false;
process.on('SIGTERM', () => (over = true));
console.log('ready');
await Promise.all(Array.from({ length: 6 }, async () => {
  while (!over) await hold('n' + pick(${names})).catch((error) => { if (error.code !== 'LOCK_TIMEOUT') { failed(error); return sleep(50); } });
}));
console.log('done ' + JSON.stringify(seen));
process.exit(0);
`;

/** Holders in several processes that are stopped for longer than their leases last, and killed, while PostgreSQL restarts: checks that no guarded step is lost or doubled. */
export async function fuzzLocks(setting: FuzzSetting): Promise<FuzzResult> {
  const { url, schema, child, processes, names, duration, ttl, every, restarts = 0, restart } = setting;
  const fuzz = `${schema}_fuzz`;
  const query = (text: string, values?: unknown[]) => ask(url, text, values);
  await query(`create schema ${fuzz}`);
  await query(`create table ${fuzz}.counter as select 'n' || i as name, 0 as n from generate_series(0, ${names - 1}) i`);
  await query(`create table ${fuzz}.acquired (name text, token bigint, at timestamptz)`);
  await query(`create table ${fuzz}.step (name text, token bigint)`);
  let count = 0;
  const start = (): { tag: string; run: Child } => {
    const tag = `p${count++}`;
    return { tag, run: child(holder(setting, tag)) };
  };
  const running = Array.from({ length: processes }, start);
  await Promise.all(running.map(({ run }) => run.said('ready')));
  const orphans: { name: string; token: string; expires_at: string }[] = [];
  const begun = Date.now();
  let stopped = 0;
  let killed = 0;
  let restarted = 0;
  while (Date.now() - begun < duration) {
    await sleep(every * (0.5 + Math.random()));
    const i = Math.floor(Math.random() * processes);
    const { tag, run } = running[i]!;
    if (restarted < restarts && Date.now() - begun > ((restarted + 1) * duration) / (restarts + 1)) {
      await restart!(restarted++);
      await eventually(() => query('select 1').catch(() => undefined), { deadline: 30_000 });
    } else if (Math.random() < 0.75) {
      run.process.kill('SIGSTOP');
      stopped++;
      setTimeout(() => void run.process.kill('SIGCONT'), ttl * (1.2 + Math.random())).unref();
    } else {
      run.process.kill('SIGKILL');
      await run.ended;
      killed++;
      // What it has sent last may still be under way.
      await sleep(100);
      orphans.push(
        ...(await query(
          `select name, token, expires_at::text from ${schema}.lock where description = $1 and owner <> '' and expires_at > clock_timestamp()`,
          [tag],
        )),
      );
      running[i] = start();
    }
  }
  const seen = { steps: 0, acquired: 0, lost: 0, wronglyLost: [] as string[], errors: {} as Record<string, number> };
  for (const { run } of running) {
    await run.said('ready');
    run.process.kill('SIGTERM');
    run.process.kill('SIGCONT');
    const { code, stdout, stderr } = await run.ended;
    expect(code, stderr).toBe(0);
    const own = JSON.parse(/done (.*)/.exec(stdout)![1]!) as typeof seen;
    seen.steps += own.steps;
    seen.acquired += own.acquired;
    seen.lost += own.lost;
    seen.wronglyLost.push(...own.wronglyLost);
    for (const [code_, times] of Object.entries(own.errors)) seen.errors[code_] = (seen.errors[code_] ?? 0) + times;
  }
  await verify(query, schema, orphans);
  expect(seen.wronglyLost).toEqual([]);
  const [{ steps }] = (await query(`select count(*)::int as steps from ${fuzz}.step`)) as [{ steps: number }];
  expect(steps).toBeGreaterThanOrEqual(seen.steps);
  await query(`drop schema ${fuzz} cascade`);
  return { ...seen, steps, stopped, killed, orphans: orphans.length };
}

type Query = (text: string, values?: unknown[]) => Promise<any[]>;

async function verify(
  query: Query,
  schema: string,
  orphans: readonly { name: string; token: string; expires_at: string }[],
): Promise<void> {
  const fuzz = `${schema}_fuzz`;
  const wrong = await query(
    `select c.name, c.n, count(s.name)::int as steps from ${fuzz}.counter c left join ${fuzz}.step s on s.name = c.name group by c.name, c.n having c.n <> count(s.name)`,
  );
  expect(wrong, 'counters and the steps that were guarded').toEqual([]);
  const falling = await query(
    `select * from (select name, token, lag(token) over (partition by name order by at) as before from ${fuzz}.acquired) a where token <= before`,
  );
  expect(falling, 'tokens in the order of time').toEqual([]);
  for (const { name, token, expires_at } of orphans) {
    const early = await query(`select * from ${fuzz}.acquired where name = $1 and token > $2 and at < $3::timestamptz`, [
      name,
      token,
      expires_at,
    ]);
    expect(early, `${name} was a killed holder's until ${expires_at}`).toEqual([]);
  }
  // Nothing is left that does not end by itself.
  await eventually(async () => (await query(`select from ${schema}.lock where expires_at > clock_timestamp()`)).length === 0);
}

async function ask(url: string, text: string, values?: unknown[]): Promise<any[]> {
  const client = new Client(url);
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text, values)).rows;
  } finally {
    await client.end();
  }
}
