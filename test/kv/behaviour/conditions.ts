import { expect, it } from 'vitest';
import { hour, open, type MakeKv } from './setup';

export function describeConditions(makeKv: MakeKv): void {
  it('ifAbsent and setnx write only where there is no live entry', async () => {
    const { kv, age } = await open(makeKv);
    expect(await kv.setnx('a', 1, '1h')).toBe(true);
    expect(await kv.setnx('a', 2)).toBe(false);
    expect(await kv.set('a', 3, { ifAbsent: true })).toBe(false);
    expect(await kv.get('a')).toBe(1);
    expect(await kv.ttl('a')).toBeGreaterThan(0);
    await age(2 * hour);
    expect(await kv.setnx('a', 4, { ttl: '1h' })).toBe(true);
    expect(await kv.set('b', Buffer.from('x'), { ifAbsent: true, ttl: '1h' })).toBe(true);
    expect(await kv.mget('a', 'b')).toEqual([4, Buffer.from('x')]);
    await age(2 * hour);
    expect(await kv.set('b', 5, { ifAbsent: true })).toBe(true);
    expect(await kv.get('b')).toBe(5);
  });

  it('ifPresent writes only over a live entry', async () => {
    const { kv, age } = await open(makeKv);
    expect(await kv.set('a', 1, { ifPresent: true })).toBe(false);
    await kv.set('a', 1, '1h');
    expect(await kv.set('a', 2, { ifPresent: true, keepTtl: true })).toBe(true);
    expect(await kv.get('a')).toBe(2);
    await age(2 * hour);
    expect(await kv.set('a', 3, { ifPresent: true })).toBe(false);
    expect(await kv.get('a')).toBeUndefined();
  });

  it('ifVersion writes only over that version', async () => {
    const { kv, age } = await open(makeKv);
    expect(await kv.set('a', 1, { ifVersion: 1 })).toBe(false);
    await kv.set('a', 1, '1h');
    const { version } = (await kv.getEntry('a'))!;
    expect(await kv.set('a', 2, { ifVersion: version === 0 ? 1 : version - 1 })).toBe(false);
    expect(await kv.set('a', 2, { ifVersion: version, keepTtl: true })).toBe(true);
    expect(await kv.set('a', 3, { ifVersion: version })).toBe(false);
    expect(await kv.get('a')).toBe(2);
    const second = (await kv.getEntry('a'))!.version;
    await age(2 * hour);
    expect(await kv.set('a', 4, { ifVersion: second })).toBe(false);
  });

  it('conditions that are false or undefined are none', async () => {
    const { kv } = await open(makeKv);
    await kv.set('a', 1);
    const options = { ifAbsent: false, ifPresent: undefined, keepTtl: false } as unknown as { ifAbsent: true };
    expect(await kv.set('a', 2, options)).toBe(true);
    expect(await kv.get('a')).toBe(2);
  });

  it('the keys to a free place are given to one of many', async () => {
    const { kv } = await open(makeKv);
    const won = await Promise.all(Array.from({ length: 50 }, (_, i) => kv.setnx('leader', i)));
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(await kv.get('leader')).toBe(won.indexOf(true));
  });

  it('compareAndSet writes over the expected value, compared as JSON', async () => {
    const { kv } = await open(makeKv);
    const first = await kv.compareAndSet<unknown>('k', undefined, { a: 1, b: { c: [1, 2] } });
    expect(first).toEqual({ ok: true, version: (await kv.getEntry('k'))!.version });
    expect(await kv.compareAndSet<unknown>('k', undefined, 'x')).toEqual({ ok: false, current: { a: 1, b: { c: [1, 2] } } });
    expect(await kv.compareAndSet<unknown>('k', { b: { c: [2, 1] }, a: 1 }, 'x')).toMatchObject({ ok: false });
    // The order of names does not matter, that of elements does.
    const second = await kv.compareAndSet<unknown>('k', { b: { c: [1, 2] }, a: 1 }, 5, '1h');
    expect(second).toEqual({ ok: true, version: (await kv.getEntry('k'))!.version });
    expect(await kv.ttl('k')).toBeGreaterThan(0);
    expect(await kv.compareAndSet<unknown>('k', '5', 'x')).toEqual({ ok: false, current: 5 });
    expect(await kv.compareAndSet<unknown>('missing', 5, 'x')).toEqual({ ok: false, current: undefined });
    expect(await kv.has('missing')).toBe(false);
  });

  it('compareAndSet knows null, bytes and counters', async () => {
    const { kv } = await open(makeKv);
    await kv.set('null', null);
    expect(await kv.compareAndSet<unknown>('null', null, Buffer.from('a'))).toMatchObject({ ok: true });
    expect(await kv.compareAndSet<unknown>('null', Buffer.from('b'), 1)).toEqual({ ok: false, current: Buffer.from('a') });
    expect(await kv.compareAndSet<unknown>('null', 'a', 1)).toMatchObject({ ok: false });
    expect(await kv.compareAndSet<unknown>('null', Buffer.from('a'), 1)).toMatchObject({ ok: true });
    await kv.incr('n', 5);
    expect(await kv.compareAndSet<unknown>('n', 6, 1)).toEqual({ ok: false, current: 5 });
    expect(await kv.compareAndSet<unknown>('n', 5, 'five')).toMatchObject({ ok: true });
    expect(await kv.get('n')).toBe('five');
    await kv.incrFloat('f', 0.5);
    await kv.incrFloat('f', 0.5);
    expect(await kv.compareAndSet<unknown>('f', 1, 'one')).toMatchObject({ ok: true });
  });

  it('compareAndSet takes an expired entry for none', async () => {
    const { kv, age } = await open(makeKv);
    await kv.set('k', 1, '1h');
    await age(2 * hour);
    expect(await kv.compareAndSet<unknown>('k', 1, 2)).toEqual({ ok: false, current: undefined });
    expect(await kv.compareAndSet<unknown>('k', undefined, 2)).toMatchObject({ ok: true });
    expect(await kv.ttl('k')).toBe(-1);
  });
}
