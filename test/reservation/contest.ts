import { expect } from 'vitest';
import type { childProcesses } from '../support/child';
import type { TestDatabase } from '../support/database';

type Run = ReturnType<typeof childProcesses>;

/** Runs a script in so many processes at once, with `reservations` and its number `me`; gives what each returns. */
async function inProcesses<R>(run: Run, { url, schema }: TestDatabase, processes: number, script: string): Promise<R[]> {
  const children = Array.from({ length: processes }, (_, me) =>
    run(`
const me = ${me};
const persist = createPersistPg({ url: ${JSON.stringify(url)}, schema: ${JSON.stringify(schema)}, sweeper: { autoStart: false } });
const { reservations } = persist;
await persist.ready();
const result = await (async () => {${script}})();
await persist.close();
console.log('done ' + JSON.stringify(result));
`),
  );
  const ended = await Promise.all(children.map((child) => child.ended));
  return ended.map(({ code, stdout, stderr }) => {
    expect(code, stderr).toBe(0);
    return JSON.parse(/done (.*)/.exec(stdout)![1]!) as R;
  });
}

/** All processes want the same values at once, for an owner each call. */
export async function contest(run: Run, database: TestDatabase, size: { processes: number; calls: number; values: number }): Promise<void> {
  const { processes, calls, values } = size;
  const results = await inProcesses<{ won: Record<string, string>; asked: number }>(
    run,
    database,
    processes,
    `
const won = {};
let asked = 0;
await Promise.all(Array.from({ length: ${calls / processes} }, async (_, i) => {
  const [value, owner] = ['wanted ' + (i * 7 + me) % ${values}, 'caller ' + me + ' ' + i];
  if (await reservations.reserve('contest', 'name', value, owner)) {
    if (won[value] !== undefined) throw new Error(value + ' was given twice');
    won[value] = owner;
  }
  asked++;
}));
return { won, asked };
`,
  );
  expect(results.reduce((sum, { asked }) => sum + asked, 0)).toBe(calls);
  const winners = results.flatMap(({ won }) => Object.entries(won));
  expect(new Set(winners.map(([value]) => value)).size, 'one winner a value').toBe(winners.length);
  const rows = await database.query<{ value: string; owner: string }>(
    `select value, owner from ${database.schema}.reservation where collection = 'contest'`,
  );
  expect(Object.fromEntries(rows.map(({ value, owner }) => [value, owner]))).toEqual(Object.fromEntries(winners));
  expect(winners).toHaveLength(values);
}

/** All processes take pairs that overlap, half of them in the opposite order; every owner has both or none. */
export async function pairs(run: Run, database: TestDatabase, size: { processes: number; calls: number; values: number }): Promise<void> {
  const { processes, calls, values } = size;
  const results = await inProcesses<{ taken: number; refused: number; errors: string[] }>(
    run,
    database,
    processes,
    `
let taken = 0, refused = 0;
const errors = [];
const any = () => Math.floor(Math.random() * ${values});
await Promise.all(Array.from({ length: 10 }, async (_, lane) => {
  for (let i = 0; i < ${calls / processes / 10}; i++) {
    const owner = 'caller ' + me + ' ' + lane + ' ' + i;
    const [name, email] = ['n' + any(), 'e' + any()];
    try {
      await reservations.reserveAll('pairs', me % 2 === 0 ? { name, email } : { email, name }, owner);
      taken++;
    } catch (error) {
      if (error.code === 'RESERVATION_CONFLICT' && error.fields.length > 0) refused++;
      else errors.push(String(error.code) + ' ' + error.message);
    }
  }
}));
return { taken, refused, errors };
`,
  );
  expect(results.flatMap(({ errors }) => errors)).toEqual([]);
  const sum = (part: 'taken' | 'refused') => results.reduce((total, each) => total + each[part], 0);
  expect(sum('taken') + sum('refused')).toBe(calls);
  const owners = await database.query<{ owner: string; n: string }>(
    `select owner, string_agg(field, ' ' order by field) as n from ${database.schema}.reservation where collection = 'pairs' group by owner`,
  );
  expect(owners.filter(({ n }) => n !== 'email name')).toEqual([]);
  expect(owners).toHaveLength(sum('taken'));
  expect(sum('taken')).toBeGreaterThan(0);
}

/** All processes do everything at once to a few values, in any order: nothing fails, deadlocks least of all, and no owner appears from nowhere. */
export async function storm(run: Run, database: TestDatabase, size: { processes: number; seconds: number; values: number }): Promise<void> {
  const { processes, seconds, values } = size;
  const results = await inProcesses<{ calls: number; errors: string[] }>(
    run,
    database,
    processes,
    `
let calls = 0;
const errors = [];
const end = performance.now() + ${seconds * 1_000};
const any = (list) => list[Math.floor(Math.random() * list.length)];
const names = Array.from({ length: ${values} }, (_, i) => 'v' + i);
const owners = Array.from({ length: 4 }, (_, i) => 'caller ' + me + ' ' + i);
const several = () => Object.fromEntries(Array.from({ length: 4 }, () => ['f' + any([0, 1, 2]), any(names)]));
await Promise.all(owners.map(async (owner) => {
  while (performance.now() < end) {
    const [field, value] = ['f' + any([0, 1, 2]), any(names)];
    const call = any([
      () => reservations.reserve('storm', field, value, owner, any([undefined, { ttl: 50 }])),
      () => reservations.reserveAll('storm', several(), owner, any([undefined, { ttl: 50 }])),
      () => reservations.reserveAll('storm', several(), owner),
      () => reservations.swap('storm', field, { from: value, to: any(names) }, owner, any([undefined, { cooldown: 20 }])),
      () => reservations.swap('storm', field, { from: value, to: any(names) }, owner),
      () => reservations.transfer('storm', field, value, { from: owner, to: any(owners) }),
      () => reservations.release('storm', field, value, owner),
      () => reservations.confirm('storm', field, value, owner),
      () => Math.random() < 0.3 ? reservations.releaseAll(owner) : reservations.listByOwner(owner),
    ]);
    try {
      await call();
    } catch (error) {
      if (error.code !== 'RESERVATION_CONFLICT') errors.push(String(error.code) + ' ' + error.message + ' ' + call);
    }
    calls++;
  }
}));
await Promise.all(owners.map((owner) => reservations.releaseAll(owner)));
const left = await Promise.all(owners.map((owner) => reservations.listByOwner(owner)));
if (left.flat().length > 0) errors.push('left: ' + JSON.stringify(left.flat()));
return { calls, errors };
`,
  );
  expect(results.flatMap(({ errors }) => errors)).toEqual([]);
  for (const { calls } of results) expect(calls).toBeGreaterThan(10);
}
