import { AsyncLocalStorage } from 'node:async_hooks';
import { expect, it } from 'vitest';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';

const database = testDatabase();
const request = new AsyncLocalStorage<object>();

it('gives each caller its own context back, and keeps none alive in what stays open', async () => {
  await using persist = openPersistPg({ url: database.url, schema: database.schema });
  const references: WeakRef<object>[] = [];
  const inRequest = async (i: number): Promise<void> => {
    const store = { i, ballast: new Array(1_000).fill(i) };
    references.push(new WeakRef(store));
    await request.run(store, async () => {
      await Promise.all([persist.kv.set(`k${i}`, i), persist.kv.get(`k${i}`), persist.kv.count()]);
      expect(request.getStore()).toBe(store);
    });
  };
  for (let i = 0; i < 20; i++) await inRequest(i);
  const { default: v8 } = await import('node:v8');
  const { default: vm } = await import('node:vm');
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc') as () => void;
  for (let i = 0; i < 10; i++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    collect();
  }
  expect(references.filter((reference) => reference.deref() !== undefined)).toHaveLength(0);
});
