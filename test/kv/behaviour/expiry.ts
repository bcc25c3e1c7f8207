import { expect, it } from 'vitest';
import { collect, hour, minute, open, type MakeKv } from './setup';

const near = (left: number, expected: number): void => {
  expect(left).toBeGreaterThan(expected - 30_000);
  expect(left).toBeLessThanOrEqual(expected + 1_000);
};

export function describeExpiry(makeKv: MakeKv): void {
  it('takes milliseconds, texts, options and moments', async () => {
    const { kv } = await open(makeKv);
    await kv.set('ms', 1, 60_000);
    await kv.set('text', 1, '5m');
    await kv.set('spaced', 1, '1.5 h');
    await kv.set('ttl', 1, { ttl: '2h' });
    await kv.set('at', 1, { expiresAt: new Date(Date.now() + 3 * hour) });
    await kv.set('none', 1);
    await kv.set('empty', 1, {});
    near(await kv.ttl('ms'), minute);
    near(await kv.ttl('text'), 5 * minute);
    near(await kv.ttl('spaced'), 90 * minute);
    near(await kv.ttl('ttl'), 2 * hour);
    near(await kv.ttl('at'), 3 * hour);
    expect(await kv.ttl('none')).toBe(-1);
    expect(await kv.ttl('empty')).toBe(-1);
    expect(await kv.ttl('missing')).toBe(-2);
  });

  it('an expired entry is a missing one', async () => {
    const { kv, age } = await open(makeKv);
    const write = async (): Promise<void> => {
      await kv.mset({ a: { n: 1 }, b: 2 }, '1h');
      await kv.set('stays', 3);
      await age(hour + minute);
    };
    await write();
    expect(await kv.mget('a', 'b', 'stays')).toEqual([undefined, undefined, 3]);
    expect(await kv.getEntry('a')).toBeUndefined();
    expect(await kv.mgetEntry(['a', 'b'])).toEqual([undefined, undefined]);
    expect(await kv.has('a')).toBe(false);
    expect(await kv.exists('a', 'b', 'stays')).toBe(1);
    expect(await kv.ttl('a')).toBe(-2);
    expect(await kv.scan()).toEqual(['stays']);
    expect(await collect(kv.keys())).toEqual(['stays']);
    expect(await collect(kv.entries())).toEqual([['stays', 3]]);
    expect(await kv.count()).toBe(1);
    expect(await kv.search('value', '1')).toEqual([]);
    expect(await kv.expire('a', '1h')).toBe(false);
    expect(await kv.expireAt('a', new Date(Date.now() + hour))).toBe(false);
    expect(await kv.persist('a')).toBe(false);
    expect(await kv.getAndTouch('a', '1h')).toBeUndefined();
    expect(await kv.getAndDelete('a')).toBeUndefined();
    await write();
    expect(await kv.delete('a')).toBe(0);
    expect(await kv.getAndSet('b', 9)).toBeUndefined();
    expect(await kv.ttl('b')).toBe(-1);
    await write();
    await kv.set('a', 5, { keepTtl: true });
    expect(await kv.ttl('a')).toBe(-1);
    await write();
    expect(await kv.incr('b', 1, { ttl: '1m' })).toBe(1);
    near(await kv.ttl('b'), minute);
  });

  it('a plain write takes the expiry away, keepTtl leaves it', async () => {
    const { kv } = await open(makeKv);
    await kv.set('k', 1, '1h');
    await kv.set('k', 2, { keepTtl: true });
    near(await kv.ttl('k'), hour);
    await kv.set('k', Buffer.from('x'), { keepTtl: true });
    near(await kv.ttl('k'), hour);
    await kv.set('k', 3);
    expect(await kv.ttl('k')).toBe(-1);
    await kv.set('new', 1, { keepTtl: true });
    expect(await kv.ttl('new')).toBe(-1);
  });

  it('expire, expireAt and persist change the expiry and nothing else', async () => {
    const { kv } = await open(makeKv);
    await kv.set('k', { a: 1 });
    const before = (await kv.getEntry('k'))!;
    expect(await kv.expire('k', '1h')).toBe(true);
    near(await kv.ttl('k'), hour);
    expect(await kv.expireAt('k', new Date(Date.now() + 2 * hour))).toBe(true);
    near(await kv.ttl('k'), 2 * hour);
    expect(await kv.getAndTouch('k', '3h')).toEqual({ a: 1 });
    near(await kv.ttl('k'), 3 * hour);
    expect(await kv.persist('k')).toBe(true);
    expect(await kv.persist('k')).toBe(false);
    expect(await kv.ttl('k')).toBe(-1);
    expect(await kv.getEntry('k')).toEqual(before);
    for (const call of [kv.expire('x', '1h'), kv.expireAt('x', new Date(Date.now() + hour)), kv.persist('x')])
      expect(await call).toBe(false);
    expect(await kv.getAndTouch('x', '1h')).toBeUndefined();
  });

  it('a moment that has passed ends an entry', async () => {
    const { kv } = await open(makeKv);
    await kv.mset({ a: 1, b: 2 });
    expect(await kv.expireAt('a', new Date(1))).toBe(true);
    expect(await kv.set('b', 3, { expiresAt: new Date(Date.now() - hour) })).toBe(true);
    expect(await kv.mget('a', 'b')).toEqual([undefined, undefined]);
  });

  it('expire heeds its mode', async () => {
    const { kv } = await open(makeKv);
    await kv.mset({ with: 1, without: 2 });
    await kv.expire('with', '2h');
    expect(await kv.expire('with', '1h', 'nx')).toBe(false);
    expect(await kv.expire('without', '1h', 'xx')).toBe(false);
    expect(await kv.expire('with', '1h', 'gt')).toBe(false);
    expect(await kv.expire('with', '3h', 'lt')).toBe(false);
    // An entry without expiry lives longest.
    expect(await kv.expire('without', '1h', 'gt')).toBe(false);
    near(await kv.ttl('with'), 2 * hour);
    expect(await kv.ttl('without')).toBe(-1);
    expect(await kv.expire('with', '3h', 'gt')).toBe(true);
    expect(await kv.expire('with', '1h', 'lt')).toBe(true);
    expect(await kv.expire('with', '4h', 'xx')).toBe(true);
    near(await kv.ttl('with'), 4 * hour);
    expect(await kv.expire('without', '1h', 'lt')).toBe(true);
    expect(await kv.persist('without')).toBe(true);
    expect(await kv.expire('without', '2h', 'nx')).toBe(true);
    near(await kv.ttl('without'), 2 * hour);
    for (const mode of ['nx', 'xx', 'gt', 'lt'] as const) expect(await kv.expire('x', '1h', mode)).toBe(false);
  });

  it('listings can include what has expired', async () => {
    const { kv, age } = await open(makeKv);
    await kv.set('old', { a: 1 }, '1h');
    await kv.set('young', 2, '3h');
    await age(2 * hour);
    expect(await kv.count({ includeExpired: true })).toBe(2);
    expect(await kv.count()).toBe(1);
    expect(await kv.scan({ includeExpired: true })).toEqual(['old', 'young']);
    expect(await collect(kv.keys({ includeExpired: true, prefix: 'o' }))).toEqual(['old']);
    expect(await collect(kv.entries({ includeExpired: true, match: 'o*' }))).toEqual([['old', { a: 1 }]]);
    expect(await kv.stats()).toMatchObject({ keys: 1, expired: 1 });
  });
}
