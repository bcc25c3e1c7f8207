import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PgPersistPg } from '../../lib/persist-pg';
import type { Child } from '../support/child';
import type { TestDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';

const raceApp = join(__dirname, 'race-app.cjs');
const atOnce = 20;

/** A store under test: how its apps are opened, and how its sessions end without a request. */
export interface Contender {
  readonly framework: 'express' | 'fastify';
  readonly theirs: boolean;
  /** Makes its tables. */
  prepare(): Promise<unknown>;
  /** Lets the session of a user have expired. */
  expire(user: string): Promise<unknown>;
  /** Removes what has expired. */
  sweep(): Promise<unknown>;
  close(): Promise<void>;
}

/** Ours. */
export function ours(framework: Contender['framework'], { url, schema, query }: TestDatabase): Contender {
  let persist: PgPersistPg | undefined;
  return {
    framework,
    theirs: false,
    prepare: () => (persist = openPersistPg({ url, schema })).ready(),
    expire: (user) =>
      query(`update ${schema}.session set expires_at = statement_timestamp() - interval '1 s' where data->>'user' = $1`, [user]),
    sweep: () => persist!.sweeper.sweep(),
    close: async () => persist?.close(),
  };
}

/** connect-pg-simple. */
export function theirs({ schema, query }: TestDatabase): Contender {
  const table = `"${schema}"."theirs"`;
  const ddl = readFileSync(require.resolve('connect-pg-simple/table.sql'), 'utf8');
  return {
    framework: 'express',
    theirs: true,
    prepare: () =>
      query(`create schema if not exists "${schema}"; ${ddl.replaceAll('"session"', table).replaceAll('session_', 'theirs_')}`),
    expire: (user) => query(`update ${table} set expire = now() - interval '1 h' where sess->>'user' = $1`, [user]),
    sweep: () => query(`delete from ${table} where expire < now()`),
    close: async () => {},
  };
}

/** An app in a process of its own. */
export class RaceApp {
  private constructor(
    private readonly child: Child,
    private readonly url: string,
  ) {}

  static async open(run: (script: string) => Child, { framework, theirs }: Contender, { url, schema }: TestDatabase): Promise<RaceApp> {
    const how = JSON.stringify({ framework, url, schema, theirs });
    const child = run(`await require(${JSON.stringify(raceApp)}).serve({ ...${how}, library });`);
    const port = (await child.said('port ')).slice('port '.length);
    return new RaceApp(child, `http://127.0.0.1:${port}`);
  }

  /** Asks, as the browser with this cookie; an error is an answer too. */
  async ask(path: string, cookie = ''): Promise<{ value: any; cookie: string }> {
    const response = await fetch(this.url + path, { headers: { cookie } });
    const text = await response.text();
    const value: unknown = response.status === 200 ? (JSON.parse(text) as { value: unknown }).value : undefined;
    return { value, cookie: response.headers.get('set-cookie')?.split(';')[0] ?? cookie };
  }

  /** Begins a slow request, and resolves when its session has been loaded; it sets a field, and saves. */
  async begin(round: string, field: string, cookie: string): Promise<() => Promise<unknown>> {
    const answer = this.ask(`/slow/${round}/${field}`, cookie);
    await this.ask(`/loaded/${round}/${field}`);
    return async () => {
      await this.ask(`/go/${round}/${field}`);
      await answer;
    };
  }

  async close(): Promise<{ code: number | null; stderr: string }> {
    this.child.process.kill('SIGTERM');
    return this.child.ended;
  }
}

/** How a session ends before a slower request saves it. */
export const ends = ['destroyed', 'expired', 'swept'] as const;

/** A slow request in one process saves a session after it has ended in another; gives in how many rounds it came back. */
export async function logoutRace(
  [here, there]: readonly [RaceApp, RaceApp],
  contender: Contender,
  how: (typeof ends)[number],
  rounds: number,
): Promise<number> {
  return count(rounds, async (round) => {
    const { cookie } = await here.ask(`/login/${how}${round}`);
    const finish = await there.begin(`${how}${round}`, 'late', cookie);
    if (how === 'destroyed') await here.ask('/logout', cookie);
    else await contender.expire(`${how}${round}`);
    if (how === 'swept') await contender.sweep();
    if ((await here.ask('/show', cookie)).value.user !== undefined) throw new Error('it has not ended');
    await finish();
    return (await here.ask('/show', cookie)).value.user !== undefined;
  });
}

/** Two requests of one session, in one process or in two, set a field each; gives in how many rounds one of them was lost. */
export async function lostUpdateRace([first, second]: readonly [RaceApp, RaceApp], rounds: number): Promise<number> {
  const where = first === second ? 'one' : 'two';
  return count(rounds, async (round) => {
    const { cookie } = await first.ask(`/login/${where}${round}`);
    const one = await first.begin(`${where}${round}`, 'one', cookie);
    const other = await second.begin(`${where}${round}`, 'other', cookie);
    await Promise.all([one(), other()]);
    const { value } = await second.ask('/show', cookie);
    if (value.user !== `${where}${round}` || (!value.one && !value.other)) throw new Error(`there is only ${JSON.stringify(value)}`);
    return !(value.one && value.other);
  });
}

async function count(rounds: number, happens: (round: number) => Promise<boolean>): Promise<number> {
  let times = 0;
  for (let done = 0; done < rounds; done += atOnce) {
    const some = Array.from({ length: Math.min(atOnce, rounds - done) }, (_, i) => happens(done + i));
    times += (await Promise.all(some)).filter(Boolean).length;
  }
  return times;
}
