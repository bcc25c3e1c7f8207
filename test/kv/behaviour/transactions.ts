import { expect, it } from 'vitest';
import { z } from 'zod';
import { collect, open, type MakeKv } from './setup';

export function describeTransactions(makeKv: MakeKv): void {
  it('keep what was done when the work succeeds, and give its result', async () => {
    const { kv } = await open(makeKv);
    await kv.set('old', 1);
    const result = await kv.transaction(async (tx) => {
      await tx.set('a', 1);
      await tx.ns('inside').incr('n', 5);
      await tx.delete('old');
      return tx.mget('a', 'old');
    });
    expect(result).toEqual([1, undefined]);
    expect(await kv.mget('a', 'old')).toEqual([1, undefined]);
    expect(await kv.ns('inside').get('n')).toBe(5);
  });

  it('undo all of it when the work throws', async () => {
    const { kv } = await open(makeKv);
    await kv.mset<unknown>({ set: 1, deleted: 2, merged: { a: 1 }, touched: 3, mset: 4 });
    const before = await kv.mgetEntry(['set', 'deleted', 'merged', 'touched', 'mset']);
    const fail = new Error('roll back');
    const work = kv.transaction(async (tx) => {
      await tx.set('set', 'x');
      await tx.set('set', 'y');
      await tx.delete('deleted');
      await tx.merge('merged', { b: 2 });
      await tx.expire('touched', '1h');
      await tx.mset({ mset: 'x', new: 'y' });
      await tx.ns('inside').incr('n');
      await tx.collection('users', { schema: z.object({ n: z.number() }) }).set('1', { n: 1 });
      expect(await tx.scan()).toEqual(['merged', 'mset', 'new', 'set', 'touched']);
      expect(await tx.get('set')).toBe('y');
      throw fail;
    });
    await expect(work).rejects.toBe(fail);
    expect(await kv.mgetEntry(['set', 'deleted', 'merged', 'touched', 'mset'])).toEqual(before);
    expect(await kv.scan()).toEqual(['deleted', 'merged', 'mset', 'set', 'touched']);
    expect(await kv.namespaces()).toEqual([]);
  });

  it('go on after an error that was expected', async () => {
    const { kv } = await open(makeKv);
    await kv.mset<unknown>({ text: 'x', taken: 1 });
    await kv.transaction(async (tx) => {
      await expect(tx.incr('text')).rejects.toMatchObject({ code: 'NOT_A_NUMBER' });
      await expect(tx.merge('text', { a: 1 })).rejects.toMatchObject({ code: 'INVALID_VALUE' });
      await expect(tx.set('', 1)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      await expect(tx.set('n', NaN)).rejects.toMatchObject({ code: 'INVALID_VALUE' });
      expect(await tx.setnx('taken', 2)).toBe(false);
      expect(await tx.compareAndSet('taken', 5, 6)).toEqual({ ok: false, current: 1 });
      expect(await tx.update<number>('taken', (n) => n! + 1)).toBe(2);
      await tx.set('done', true);
    });
    expect(await kv.mget('text', 'taken', 'done')).toEqual(['x', 2, true]);
  });

  it('can be stepped out of', async () => {
    const { kv } = await open(makeKv);
    const work = kv.transaction(async (tx) => {
      await tx.set('inside', 1);
      await tx.detached().incr('failures');
      await tx.ns('a').detached().incr('failures');
      await tx.collection('c').detached().set('1', 'x');
      throw new Error('roll back');
    });
    await expect(work).rejects.toThrow('roll back');
    expect(await kv.mget('inside', 'failures')).toEqual([undefined, 1]);
    expect(await kv.ns('a').get('failures')).toBe(1);
    expect(await kv.collection('c').get('1')).toBe('x');
  });

  it('are over when they have ended', async () => {
    const { kv } = await open(makeKv);
    let kept = kv;
    await kv.transaction(async (tx) => {
      kept = tx;
      await tx.set('a', 1);
    });
    await expect(kept.set('a', 2)).rejects.toMatchObject({ code: 'NO_TRANSACTION' });
    await expect(kept.get('a')).rejects.toMatchObject({ code: 'NO_TRANSACTION' });
    await expect(collect(kept.keys())).rejects.toMatchObject({ code: 'NO_TRANSACTION' });
    expect(await kv.get('a')).toBe(1);
  });

  it('refuse what is no work and what is no isolation', async () => {
    const { kv } = await open(makeKv);
    await expect(kv.transaction(undefined as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'work' });
    await expect(kv.transaction(async () => 1, { level: 1 } as never)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      argument: 'level',
    });
    await expect(kv.transaction(async () => 1, { isolation: 'CHAOS' as never })).rejects.toMatchObject({ argument: 'isolation' });
    expect(await kv.transaction(async () => 1, { isolation: 'SERIALIZABLE' })).toBe(1);
  });
}
