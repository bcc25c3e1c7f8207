import { expect } from 'vitest';
import type { Child } from '../support/child';
import { eventually, type TestDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { handlingProcess, keysGot } from './handling-process';

/**
 * Four processes sweep and handle a namespace of each sort while one after the other is killed and replaced, and while some
 * of the entries are prolonged. Every promise is checked; gives what kills may cost.
 */
export async function sweepThroughKills(
  run: (script: string, environment?: NodeJS.ProcessEnv) => Child,
  { url, schema, query }: TestDatabase,
  name: string,
  count: number,
): Promise<{ twice: number; lost: number }> {
  const once = `${name} once`;
  const safe = `${name} safe`;
  const script = handlingProcess(100, [
    { namespace: once, reliable: false, ms: 20 },
    { namespace: safe, reliable: true, ms: 20 },
  ]);
  const start = (): Child => run(script, { TEST_URL: url, TEST_SCHEMA: schema });
  const all = [start(), start(), start(), start()];
  await using persist = openPersistPg({ url, schema });
  const prolonged: string[] = [];
  try {
    await Promise.all(all.map((child) => child.said('ready')));
    for (const namespace of [once, safe]) {
      await persist.kv.namespace(namespace).mset(Array.from({ length: count }, (_, i) => [`k${i}`, i, '1h'] as const));
    }
    await query(`update ${schema}.kv set expires_at = expires_at - interval '2 hours' where namespace = any($1)`, [[once, safe]]);
    const left = async (): Promise<number> => {
      const [row] = await query<{ n: number }>(
        `select count(*)::int as n from ${schema}.kv where namespace = any($1) and expires_at <= now()`,
        [[once, safe]],
      );
      return row!.n;
    };
    for (const namespace of [safe, once, safe]) {
      const victim = await Promise.race([atWork(all, namespace), eventually(async () => (await left()) === 0, { deadline: 30_000 })]);
      if (victim === true) break;
      victim.process.kill('SIGKILL');
      all.push(start());
      const renewed = await query<{ key: string }>(
        `update ${schema}.kv set expires_at = now() + interval '1 day' where (namespace, key) in
(select namespace, key from ${schema}.kv where namespace = $1 and expires_at <= now() limit 5 for update skip locked) returning key`,
        [safe],
      );
      prolonged.push(...renewed.map(({ key }) => key));
    }
    await eventually(async () => (await left()) === 0, { deadline: 60_000 });
  } finally {
    for (const child of all) child.process.kill('SIGTERM');
  }
  const outputs = (await Promise.all(all.map((child) => child.ended))).map(({ stdout }) => stdout);
  const got = (namespace: string): string[] => outputs.flatMap((stdout) => keysGot(stdout, namespace));
  const keys = Array.from({ length: count }, (_, i) => `k${i}`);

  const handedOnce = got(once);
  expect(new Set(handedOnce).size, 'at most once').toBe(handedOnce.length);
  const handedSafely = got(safe);
  const atLeast = new Set(handedSafely);
  expect(keys.filter((key) => !atLeast.has(key) && !prolonged.includes(key))).toEqual([]);
  // What was handed over by one that died before the commit may have been prolonged after it.
  const kept = await query<{ key: string }>(`select key from ${schema}.kv where namespace = $1 order by key`, [safe]);
  expect(kept.map(({ key }) => key)).toEqual(prolonged.toSorted());
  return { twice: handedSafely.length - atLeast.size, lost: count - handedOnce.length };
}

/** The first of them whose handler is called now. */
function atWork(children: readonly Child[], namespace: string): Promise<Child> {
  return new Promise((resolve) => {
    for (const child of children) {
      child.process.stdout?.on('data', (data) => {
        if (String(data).includes(`got ${namespace} `)) resolve(child);
      });
    }
  });
}
