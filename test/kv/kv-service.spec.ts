import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { KvService } from '../../lib/kv/kv-service';
import { MemoryKvStore } from '../../lib/testing/memory-kv-store';

const hour = 3_600_000;
const setup = (settings: { defaultTtl?: number; maxKeyLength?: number; maxValueSize?: number; timeout?: number } = {}) =>
  new KvService(new MemoryKvStore(), { maxKeyLength: 16, maxValueSize: 64, timeout: 100, defaultTtl: undefined, ...settings });

describe('with a default time to live', () => {
  it('every entry for which nothing is said gets it', async () => {
    const kv = setup({ defaultTtl: hour });
    await kv.set('set', 1);
    await kv.set('empty', 1, {});
    await kv.set('keep', 1, { keepTtl: true });
    await kv.setnx('setnx', 1);
    await kv.mset({ mset: 1 });
    await kv.getAndSet('exchanged', 1);
    await kv.compareAndSet('compared', undefined, 1);
    await kv.update('updated', () => 1);
    await kv.incr('incr');
    await kv.decr('bounded', 1, { min: -5 });
    await kv.incrFloat('float', 0.5);
    await kv.ns('inside').set('k', 1);
    await kv.collection('c').set('k', 1);
    const keys = await kv.scan();
    expect(keys).toHaveLength(11);
    for (const key of keys) expect.soft([key, Math.ceil((await kv.ttl(key)) / hour)]).toEqual([key, 1]);
    expect(await kv.ns('inside').ttl('k')).toBeGreaterThan(0);
    expect(await kv.ns('c').ttl('k')).toBeGreaterThan(0);
  });

  it('what is said comes first', async () => {
    const kv = setup({ defaultTtl: hour });
    await kv.set('k', 1, 3 * hour);
    expect(await kv.ttl('k')).toBeGreaterThan(2 * hour);
    await kv.update('k', () => 2);
    expect(await kv.ttl('k')).toBeGreaterThan(2 * hour);
    const days = kv.collection('days', { ttl: '3d', schema: z.number() });
    await days.set('k', 1);
    expect(await days.ttl('k')).toBeGreaterThan(48 * hour);
    await days.withManager({}).set('l', 1);
    await days.detached().set('m', 1);
    expect(await days.ttl('l')).toBeGreaterThan(48 * hour);
    expect(await days.ttl('m')).toBeGreaterThan(48 * hour);
  });
});

describe('with limits of its own', () => {
  it('heeds them everywhere', async () => {
    const kv = setup();
    await kv.set('k'.repeat(16), 'x'.repeat(62));
    await expect(kv.set('k'.repeat(17), 1)).rejects.toMatchObject({ argument: 'key' });
    await expect(kv.ns('a').get('k'.repeat(17))).rejects.toMatchObject({ argument: 'key' });
    await expect(kv.set('k', 'x'.repeat(63))).rejects.toMatchObject({ code: 'INVALID_VALUE' });
    await expect(kv.collection('c').set('k', 'x'.repeat(63))).rejects.toMatchObject({ code: 'INVALID_VALUE' });
    await kv.set('k', { a: 'x'.repeat(40) });
    await expect(kv.merge('k', { b: 'x'.repeat(40) })).rejects.toMatchObject({
      code: 'INVALID_VALUE',
      message: expect.stringContaining('64 bytes'),
    });
  });

  it('update gives up after the timeout', async () => {
    const kv = setup({ timeout: 50 });
    const busy = kv.update('k', async () => {
      await kv.set('k', Math.random());
      return 1;
    });
    await expect(busy).rejects.toMatchObject({ code: 'KEY_LOCKED', key: 'k' });
  });
});

it('goes on after a page that a store cut short', async () => {
  class Cutting extends MemoryKvStore {
    override async entries(...[namespace, filter, page]: Parameters<MemoryKvStore['entries']>) {
      return (await super.entries(namespace, filter, page)).slice(0, 3);
    }
  }
  const kv = new KvService(new Cutting(), { maxKeyLength: 16, maxValueSize: 64, timeout: 100, defaultTtl: undefined });
  await kv.mset({ a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7 });
  const keys: string[] = [];
  for await (const [key] of kv.entries()) keys.push(key);
  expect(keys).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
});

it('gives the promise of the store itself where the path is hot', () => {
  const promise = Promise.resolve(1 as never);
  const store = new Proxy(new MemoryKvStore(), { get: () => () => promise });
  const kv = new KvService(store, { maxKeyLength: 16, maxValueSize: 64, timeout: 100, defaultTtl: undefined });
  expect(kv.get('k')).toBe(promise);
  expect(kv.set('k', 1)).toBe(promise);
  expect(kv.set('k', 1, { ttl: '1m' })).toBe(promise);
  expect(kv.incr('k')).toBe(promise);
  expect(kv.mget('k', 'l')).toBe(promise);
});
