import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as core from '../../lib/index';
import { parseDuration } from '../../lib/duration';
import { builtInSettings } from '../../lib/cache/cache-settings';
import { readSerializer } from '../../lib/cache/serializers';
import { resolveOptions } from '../../lib/resolve-options';
import type { ResolvedOptions } from '../../lib/resolved-options';
import { codes, table } from './readme';

const groups = ['schema', 'kv', 'cache', 'lock', 'rateLimit', 'reservation', 'session', 'sweeper', 'tuning'];
/** Those that are named one by one in the table, not as a whole. */
const dissolved = groups.filter((name) => name !== 'schema');

/** The names that the library itself lists when one is wrong. */
function known(level: string): string[] {
  const wrong = { nonsense: true };
  try {
    resolveOptions((level === '' ? wrong : { [level]: wrong }) as never, {});
  } catch (error) {
    const [, names] = /there are (.*)$/.exec((error as Error).message) ?? [];
    return (names ?? '').split(', ').map((name) => (level === '' ? name : `${level}.${name}`));
  }
  return [];
}

function at(options: ResolvedOptions, path: string): unknown {
  const [, cacheDefault] = /^cache\.(ttl|grace|softTimeout|hardTimeout|refreshAhead|jitter)$/.exec(path) ?? [];
  if (path === 'cache.serializer') return builtInSettings.serializer === readSerializer('json') ? 'json' : undefined;
  if (cacheDefault !== undefined) return builtInSettings[cacheDefault as 'ttl'];
  return path.split('.').reduce((value: unknown, name) => (value as Record<string, unknown>)?.[name], options);
}

/** A default as it is written in the table, as the library has it. */
function meant(text: string): unknown {
  if (text === 'true') return true;
  if (/^[\d_]+$/.test(text)) return Number(text.replaceAll('_', ''));
  if (/^\d+ MiB$/.test(text)) return Number.parseInt(text, 10) * 1024 * 1024;
  return /^\d+(ms|s|m|h|d)$/.test(text) ? parseDuration(text) : text;
}

describe('the table of options', () => {
  const rows = table('Options').map(({ cells: [name, value] }) => ({ name: codes(name!)[0]!, value: codes(value!)[0] }));

  it('has every option and no other', () => {
    const near = ['cache.near.maxEntries', 'cache.near.ttl'];
    const all = [...known(''), ...groups.flatMap(known), ...near].filter((name) => !dissolved.includes(name));
    expect(rows.map(({ name }) => name).toSorted()).toEqual(all.toSorted());
  });

  it.each(rows.filter(({ value }) => value !== undefined))('says the default of $name', ({ name, value }) => {
    // What is off by default has defaults when it is on.
    const options = name.startsWith('cache.near.') ? { cache: { near: {} } } : {};
    expect(at(resolveOptions(options, {}), name)).toEqual(meant(value!));
  });

  it.each(
    rows.filter(
      ({ name, value }) =>
        value === undefined && !['schema', 'reservation.normalize', 'session.encryptionKeys', 'instrumentation'].includes(name),
    ),
  )('says rightly that $name has no default', ({ name }) => expect(at(resolveOptions({}, {}), name)).toBeUndefined());
});

describe('the table of the environment', () => {
  const rows = table('Environment').map(({ cells: [name, sets] }) => ({ name: codes(name!)[0]!, sets: sets! }));

  it('has every variable and no other', () => {
    const readers = ['resolve-options.ts', 'sweeper/sweeper-settings.ts'];
    const source = readers.map((file) => readFileSync(join(__dirname, '../../lib', file), 'utf8')).join('\n');
    const read = source.match(/'(PERSISTPG_\w+|DATABASE_URL)'/g)!.map((name) => name.slice(1, -1));
    expect(rows.map(({ name }) => name).toSorted()).toEqual([...new Set(read)].toSorted());
  });

  it.each(rows.filter(({ sets }) => sets.startsWith('`') && sets.includes('.') && !sets.startsWith('`off`')))(
    '$name sets what it says',
    ({ name, sets }) => {
      const factor = sets.includes('in seconds') ? 1_000 : 1;
      expect(at(resolveOptions({}, { [name]: '17' }), codes(sets)[0]!)).toBe(17 * factor);
    },
  );

  it('says what the others do', () => {
    expect(resolveOptions({}, { PERSISTPG_POOL_SIZE: '17' }).lanes).toBe(17);
    expect(resolveOptions({}, { PERSISTPG_SESSION_SYNC_COMMIT: 'off' }).kv.durability).toBe('async');
    expect(resolveOptions({}, { PERSISTPG_MGET_STATEMENT_TIMEOUT_MS: '17' }).kv.mgetTimeout).toBe(17);
    expect(resolveOptions({}, { PERSISTPG_MSET_STATEMENT_TIMEOUT_MS: '17' }).kv.msetTimeout).toBe(17);
    expect(resolveOptions({}, {}).kv.msetTimeout).toBe(30_000);
    const urls = { PERSISTPG_URL: 'postgres://a', DATABASE_URL: 'postgres://b' };
    expect(resolveOptions({}, urls).environmentUrl).toMatchObject({ url: 'postgres://a' });
    const both = {
      PERSISTPG_SET_MAX_RETRIES: '1',
      PERSISTPG_INCR_MAX_RETRIES: '2',
      PERSISTPG_SET_RETRY_BASE_MS: '3',
      PERSISTPG_INCR_RETRY_BASE_MS: '4',
    };
    expect(resolveOptions({}, both).tuning).toMatchObject({ maxRetries: 1, retryBase: 3 });
  });

  it('says that an option wins', () => {
    const environment = Object.fromEntries(
      rows.filter(({ name }) => name !== 'PERSISTPG_SESSION_SYNC_COMMIT').map(({ name }) => [name, '17']),
    );
    expect(resolveOptions({ lanes: 5, tuning: { maxIdle: '1m' } }, environment)).toMatchObject({ lanes: 5, tuning: { maxIdle: 60_000 } });
  });
});

describe('the table of errors', () => {
  const rows = table('Errors').map(({ cells: [code, name] }) => ({ code: codes(code!)[0]!, name: codes(name!)[0]! }));

  it('has every code and every class', () => {
    const source = readFileSync(join(__dirname, '../../lib/error-checks.ts'), 'utf8');
    const [, list] = /interface PersistPgErrors \{([^}]*)\}/.exec(source)!;
    const declared = [...list!.matchAll(/(\w+): (\w+);/g)].map(([, code, name]) => ({ code, name }));
    expect(rows).toHaveLength(declared.length);
    expect(rows).toEqual(expect.arrayContaining(declared));
    const classes = Object.keys(core).filter((name) => /^[A-Z].*Error$/.test(name));
    expect([...new Set(rows.map(({ name }) => name))].toSorted()).toEqual(classes.toSorted());
  });
});
