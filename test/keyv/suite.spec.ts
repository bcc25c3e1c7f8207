import keyvTestSuite, { keyvIteratorTests } from '@keyv/test-suite';
import Keyv from 'keyv';
import * as vitest from 'vitest';
import type { CacheService } from '../../lib/cache/cache-service';
import type { KeptEntries } from '../../lib/cache/kept-entries';
import { asGiven } from '../../lib/integrations/keyv/create-keyv';
import { KeyvAdapter } from '../../lib/integrations/keyv/keyv-adapter';
import { createMemoryPersistPg } from '../../lib/testing/memory-persist-pg';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';

const { url, schema } = testDatabase();
const persist = openPersistPg({ url, schema });
const memory = createMemoryPersistPg();

vitest.afterAll(() => persist.close());

/** A Keyv that is set up as `createKeyv()` does it. */
class OurKeyv extends Keyv {
  constructor(options: object) {
    super({ ...asGiven, ...options } as never);
  }
}

for (const [name, cache] of [
  ['on PostgreSQL', persist.cache],
  ['in memory', memory.cache],
] as const) {
  vitest.describe(`Keyv's own suite ${name}`, () => {
    const inside = (namespace: string): KeptEntries => (cache.namespace(namespace) as CacheService).kept();
    const store = (): KeyvAdapter => new KeyvAdapter(inside, async () => {});
    keyvTestSuite(vitest, OurKeyv, store);
    keyvIteratorTests(vitest, OurKeyv, store);
  });
}
