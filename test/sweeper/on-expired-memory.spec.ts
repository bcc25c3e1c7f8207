import { describe, expect, it } from 'vitest';
import { PersistPg } from '../../lib';
import { withProviders } from '../../lib/persist-pg.module';
import { getPersistPgToken } from '../../lib/persist-pg.tokens';
import { createMemoryPersistPg, PersistPgTestingModule } from '../../lib/testing';
import { onExpiredBehaviour } from './on-expired-behaviour';

type InMemory = ReturnType<typeof createMemoryPersistPg>;

onExpiredBehaviour({
  // As forMemory(), with options of the module.
  module: (options) =>
    withProviders(
      { module: PersistPgTestingModule, global: true },
      {},
      {
        provide: getPersistPgToken(PersistPg),
        useFactory: () => createMemoryPersistPg(options),
      },
    ),
  clear: async (persist) => void (await persist.kv.clear({ nested: true })),
  pass: async (persist, hours) => (persist as InMemory).advance(`${hours}h`),
});

describe('in memory', () => {
  it('large namespaces come in batches', async () => {
    const persist = createMemoryPersistPg();
    const batches: number[] = [];
    persist.expired.add({ namespace: 'n', reliable: false, name: 'it', handle: (entries) => batches.push(entries.length) });
    await persist.kv.namespace('n').mset(Array.from({ length: 2_500 }, (_, i) => [`k${i}`, i, '1s'] as const));
    persist.advance('2s');
    expect(await persist.sweeper.sweep()).toMatchObject({ kv: 2_500 });
    expect(batches).toEqual([1_000, 1_000, 500]);
  });
});
