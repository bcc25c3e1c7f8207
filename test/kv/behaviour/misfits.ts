import type { StandardSchemaV1 } from '@standard-schema/spec';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { collect, open, type MakeKv } from './setup';

export function describeMisfits(makeKv: MakeKv): void {
  const schema = z.object({ n: z.number() });
  const setup = async (onInvalid?: 'throw' | 'miss' | 'delete') => {
    const { kv } = await open(makeKv);
    const numbers = kv.collection('numbers', { schema, ...(onInvalid && { onInvalid }) });
    const raw = kv.ns('numbers');
    await raw.mset<unknown>({ bad: { n: 'x' }, good: { n: 1 } });
    return { numbers, raw };
  };

  it('reading rejects, by default', async () => {
    const { numbers, raw } = await setup();
    const refused = { code: 'INVALID_VALUE', key: 'bad', issues: [{ path: ['n'] }] };
    await expect(numbers.get('bad')).rejects.toMatchObject(refused);
    await expect(numbers.getOrThrow('bad')).rejects.toMatchObject(refused);
    await expect(numbers.getEntry('bad')).rejects.toMatchObject(refused);
    await expect(numbers.mget('good', 'bad')).rejects.toMatchObject(refused);
    await expect(collect(numbers.entries())).rejects.toMatchObject(refused);
    await expect(numbers.update('bad', () => ({ n: 1 }))).rejects.toMatchObject(refused);
    await expect(numbers.compareAndSet('bad', { n: 1 }, { n: 2 })).rejects.toMatchObject(refused);
    expect(await raw.get('bad')).toEqual({ n: 'x' });
    await expect(numbers.getAndSet('bad', { n: 1 })).rejects.toMatchObject(refused);
    expect(await numbers.get('bad')).toEqual({ n: 1 });
  });

  it('it is a miss, with miss', async () => {
    const { numbers, raw } = await setup('miss');
    expect(await numbers.get('bad')).toBeUndefined();
    await expect(numbers.getOrThrow('bad')).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' });
    expect(await numbers.getEntry('bad')).toBeUndefined();
    expect(await numbers.mget('good', 'bad')).toEqual([{ n: 1 }, undefined]);
    expect(await collect(numbers.entries())).toEqual([['good', { n: 1 }]]);
    expect(await raw.get('bad')).toEqual({ n: 'x' });
    expect(await numbers.getAndDelete('bad')).toBeUndefined();
    expect(await raw.has('bad')).toBe(false);
    await raw.set('bad', { n: 'x' });
    expect(await numbers.update('bad', (current) => ({ n: current === undefined ? 7 : 0 }))).toEqual({ n: 7 });
  });

  it.each(['get', 'getEntry', 'mget', 'entries'] as const)('%s deletes it, with delete', async (read) => {
    const { numbers, raw } = await setup('delete');
    const reads = {
      get: () => numbers.get('bad'),
      getEntry: () => numbers.getEntry('bad'),
      mget: async () => (await numbers.mget('bad'))[0],
      entries: async () => (await collect(numbers.entries({ prefix: 'bad' })))[0],
    };
    expect(await reads[read]()).toBeUndefined();
    expect(await raw.scan()).toEqual(['good']);
  });

  it.each([1, 2])('a newer value is not deleted, when it comes during look %s', async (overtakenAt) => {
    const { kv } = await open(makeKv);
    const raw = kv.ns('numbers');
    let looks = 0;
    const validate = async (value: unknown) => {
      if (++looks === overtakenAt) await raw.set('bad', { n: 5 });
      return schema['~standard'].validate(value);
    };
    const slow: StandardSchemaV1<{ n: number }> = { '~standard': { version: 1, vendor: 'test', validate } };
    await raw.set('bad', { n: 'x' });
    expect(await kv.collection('numbers', { schema: slow, onInvalid: 'delete' }).get('bad')).toBeUndefined();
    expect(looks).toBe(2);
    expect(await raw.get('bad')).toEqual({ n: 5 });
  });
}
