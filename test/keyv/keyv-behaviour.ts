import { createCache } from 'cache-manager';
import type { Keyv } from 'keyv';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { createKeyv } from '../../lib/integrations/keyv/create-keyv';
import { createMemoryPersistPg } from '../../lib/testing/memory-persist-pg';
import { eventually, testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';

/** What a Keyv of ours does, whichever version of Keyv it is. */
export function describeKeyv(name: string): void {
  describe(name, () => {
    const { url, schema, query } = testDatabase();
    const persist = openPersistPg({ url, schema, cache: { timeout: '5s' } });
    let spaces = 0;
    const open = (ttl?: number): Keyv => createKeyv(persist.cache, { namespace: `space${++spaces}`, ...(ttl !== undefined && { ttl }) });

    afterAll(() => persist.close());

    it.each([
      ['text', 'a'],
      ['a text that begins with a colon', ':a'],
      ['a text that looks like bytes', ':base64:YQ=='],
      ['a number', 1.5],
      ['false', false],
      ['null', null],
      ['a list', [1, ':b', [':c']]],
      ['an object', { a: { ':b': ':c', d: ['":', ':'] } }],
      ['bytes', Buffer.from([0, 1, 255])],
      ['bytes inside', { file: Buffer.from('x'), of: [Buffer.alloc(0)] }],
    ])('gives back %s', async (_, value) => {
      const keyv = open();
      expect(await keyv.set('k', value)).toBe(true);
      expect(await keyv.get('k')).toEqual(value);
      expect(await keyv.getMany(['k', 'none', 'k'])).toEqual([value, undefined, value]);
    });

    it('reads and writes many at once', async () => {
      const keyv = open();
      const entries = Array.from({ length: 300 }, (_unused, i) => ({ key: `k${i}`, value: i }));
      expect(await keyv.setMany(entries)).toEqual(entries.map(() => true));
      const keys = entries.map(({ key }) => key);
      expect(await keyv.getMany(keys)).toEqual(entries.map(({ value }) => value));
      expect(await keyv.hasMany(['k0', 'none'])).toEqual([true, false]);
      await keyv.deleteMany(['k0', 'k1']);
      expect(await keyv.hasMany(['k0', 'k1', 'k2'])).toEqual([false, false, true]);
      await keyv.clear();
      expect(await keyv.getMany(keys)).toEqual(keys.map(() => undefined));
    });

    it('of two writes of a key in one call the last one stays', async () => {
      const keyv = open();
      await keyv.setMany([
        { key: 'k', value: 1 },
        { key: 'k', value: 2 },
      ]);
      expect(await keyv.get('k')).toBe(2);
    });

    it('keeps an entry as long as it is told, by the clock of the database', async () => {
      const keyv = open(60_000);
      await keyv.set('default', 1);
      await keyv.set('short', 1, 200);
      await keyv.set('ever', 1, 0);
      const left = await query<{ key: string; left: string }>(
        `select key, extract(epoch from expires_at - now()) as left from ${schema}.cache where namespace = $1`,
        [`space${spaces}`],
      );
      const seconds = Object.fromEntries(left.map((row) => [row.key, Number(row.left)]));
      expect(seconds['default']).toBeGreaterThan(50);
      expect(seconds['default']).toBeLessThan(60.1);
      expect(await keyv.get('default')).toBe(1);
      await eventually(async () => (await keyv.get('short')) === undefined);
      expect(await keyv.has('short')).toBe(false);
    });

    it('lists its own entries and no others', async () => {
      const keyv = open();
      const other = open();
      await other.set('x', 0);
      const entries = Array.from({ length: 600 }, (_unused, i) => [`k${String(i).padStart(3, '0')}`, i] as const);
      await keyv.setMany(entries.map(([key, value]) => ({ key, value })));
      const found: unknown[] = [];
      const iterate = keyv.iterator as unknown as (namespace: string) => AsyncIterable<[string, unknown]>;
      for await (const entry of iterate.call(keyv, `space${spaces - 1}`)) found.push(entry);
      expect(found).toEqual(entries.map((entry) => [...entry]));
      await keyv.clear();
      expect(await other.get('x')).toBe(0);
    });

    it('shares its entries with the cache', async () => {
      const keyv = open();
      const cache = persist.cache.namespace(`space${spaces}`);
      await keyv.set('/products/1', { a: 1 });
      await keyv.set('/products/2', 'two');
      expect(await cache.get('/products/1')).toEqual({ a: 1 });
      expect(await cache.deletePrefix('/products/')).toBe(2);
      expect(await keyv.get('/products/2')).toBeUndefined();
      await cache.set('b', [1]);
      expect(await keyv.get('b')).toEqual([1]);
    });

    it('leaves the instance open that it was given', async () => {
      const keyv = createKeyv(persist);
      await keyv.set('k', 1);
      await keyv.disconnect();
      expect(await persist.cache.namespace('keyv').get('k')).toBe(1);
    });

    it('closes the connections that it has made', async () => {
      const application = `keyv_${schema}_${name.replace(/\W/g, '')}`;
      const keyv = createKeyv(
        { url, schema, applicationName: application, cache: { timeout: '5s' }, sweeper: { autoStart: false } },
        { namespace: 'own' },
      );
      await keyv.set('k', 1);
      const sessions = () => query(`select from pg_stat_activity where application_name = $1`, [application]);
      expect(await sessions()).not.toEqual([]);
      await keyv.disconnect();
      await eventually(async () => (await sessions()).length === 0);
      expect(await createKeyv(persist, { namespace: 'own' }).get('k')).toBe(1);
    });

    it('stands behind cache-manager', async () => {
      const cache = createCache({ stores: [open()], ttl: 60_000 });
      const factory = vi.fn(async () => ({ price: 1 }));
      expect(await cache.wrap('p', factory)).toEqual({ price: 1 });
      expect(await cache.wrap('p', factory)).toEqual({ price: 1 });
      expect(factory).toHaveBeenCalledTimes(1);
      const end = await cache.ttl('p');
      expect(end! - Date.now()).toBeGreaterThan(50_000);
      expect(end! - Date.now()).toBeLessThan(61_000);
      await cache.mset([
        { key: 'a', value: 1 },
        { key: 'b', value: 2, ttl: 1_000 },
      ]);
      expect(await cache.mget(['a', 'b', 'c'])).toEqual([1, 2, undefined]);
      await cache.mdel(['a']);
      expect(await cache.get('a')).toBeUndefined();
      await cache.clear();
      expect(await cache.get('b')).toBeUndefined();
    });

    it('has a twin in memory', async () => {
      const memory = createMemoryPersistPg();
      const keyv = createKeyv(memory.cache);
      await keyv.set('k', { a: 1 }, 1_000);
      expect(await keyv.get('k')).toEqual({ a: 1 });
      memory.advance('2s');
      expect(await keyv.get('k')).toBeUndefined();
    });

    it('takes what it cannot keep for an error that it emits, and keeps the rest', async () => {
      const keyv = open();
      const errors: unknown[] = [];
      keyv.on('error', (error: unknown) => errors.push(error));
      expect(await keyv.set('k'.repeat(2_000), 1)).toBe(false);
      expect(errors).toEqual([expect.objectContaining({ code: 'INVALID_ARGUMENT', argument: 'key' })]);
      expect(await keyv.get('k'.repeat(2_000))).toBeUndefined();
      expect(await keyv.set('big', 'x'.repeat(9 * 1024 * 1024))).toBe(false);
      expect(await keyv.set('k', 1)).toBe(true);
    });

    it.each([
      ['a source that is none', [1 as never, {}], 'source'],
      ['a cache in a transaction', [persist.cache.withManager({} as never), {}], 'source'],
      ['a namespace that is empty', [persist.cache, { namespace: '' }], 'namespace'],
      ['a ttl that is negative', [persist.cache, { ttl: -1 }], 'ttl'],
    ] as const)('refuses %s', (_, [source, options], argument) => {
      expect(() => createKeyv(source, options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', argument }));
    });
  });
}
