import { expect, it } from 'vitest';
import { By } from '../../../lib/kv/kv-options';
import { collect, open, type MakeKv } from './setup';

export function describeWalks(makeKv: MakeKv): void {
  it('go in the order of the keys, by code point', async () => {
    const { kv } = await open(makeKv);
    const inOrder = ['A', 'Z', 'a', 'a b', 'a:', 'ab', 'z', 'é', '\ud7ff', '\uffff', '😀'];
    await kv.mset([...inOrder].reverse().map((key, i): [string, number] => [key, i]));
    expect(await kv.scan()).toEqual(inOrder);
    expect(await collect(kv.keys())).toEqual(inOrder);
    expect(await collect(kv.entries())).toEqual(inOrder.map((key, i) => [key, inOrder.length - 1 - i]));
  });

  it('scan gives one page, and the next after its last key', async () => {
    const { kv } = await open(makeKv);
    const keys = Array.from({ length: 250 }, (_, i) => `k${String(i).padStart(3, '0')}`);
    await kv.mset(keys.map((key): [string, number] => [key, 1]));
    expect(await kv.scan()).toEqual(keys.slice(0, 100));
    expect(await kv.scan({ after: 'k099' })).toEqual(keys.slice(100, 200));
    expect(await kv.scan({ after: 'k1', limit: 3 })).toEqual(keys.slice(100, 103));
    expect(await kv.scan({ after: 'k249' })).toEqual([]);
    expect(await kv.scan({ after: '' })).toEqual(keys.slice(0, 100));
    const all: string[] = [];
    for (let after = ''; ; after = all.at(-1)!) {
      const page = await kv.scan({ match: '*[02468]', after, limit: 7 });
      if (page.length === 0) break;
      all.push(...page);
    }
    expect(all).toEqual(keys.filter((_, i) => i % 2 === 0));
  });

  it('keys and entries go through all pages', async () => {
    const { kv } = await open(makeKv);
    const keys = Array.from({ length: 1_200 }, (_, i) => `k${String(i).padStart(4, '0')}`);
    await kv.mset(keys.map((key, i): [string, number] => [key, i]));
    expect(await collect(kv.keys())).toEqual(keys);
    expect(await collect(kv.entries('k*'))).toEqual(keys.map((key, i) => [key, i]));
    expect(await collect(kv.keys({ prefix: 'k1' }))).toEqual(keys.slice(1_000));
    expect(await kv.count()).toBe(1_200);
  });

  it('bear with what changes meanwhile', async () => {
    const { kv } = await open(makeKv);
    const keys = Array.from({ length: 1_000 }, (_, i) => `k${String(i).padStart(4, '0')}`);
    await kv.mset(keys.map((key, i): [string, number] => [key, i]));
    const met: string[] = [];
    for await (const key of kv.keys()) {
      met.push(key);
      if (met.length === 1) {
        await kv.delete('k0001', ...keys.slice(600, 700));
        await kv.mset({ a: 1, k0500x: 1, z: 1 });
      }
    }
    expect(new Set(met).size).toBe(met.length);
    const stayed = keys.filter((_, i) => i !== 1 && !(i >= 600 && i < 700));
    expect(stayed.filter((key) => !met.includes(key))).toEqual([]);
    expect(met).toContain('z');
    expect(met).not.toContain('a');
    expect(met).not.toContain('k0650');
  });

  it('can be left early', async () => {
    const { kv } = await open(makeKv);
    await kv.mset(Array.from({ length: 600 }, (_, i) => [`k${i}`, i] as const));
    for await (const _ of kv.keys()) break;
    for await (const _ of kv.entries()) break;
    expect(await kv.count()).toBe(600);
  });

  it('filter by prefix, literally, and by glob', async () => {
    const { kv } = await open(makeKv);
    const keys = ['100%', '100x', 'a*b', 'a.b', 'aXb', 'a_b', 'user:1', 'user:1:x', 'user:2', 'user;'];
    await kv.mset(keys.map((key): [string, string] => [key, key]));
    expect(await kv.scan('user:*')).toEqual(['user:1', 'user:1:x', 'user:2']);
    expect(await kv.scan('user:?')).toEqual(['user:1', 'user:2']);
    expect(await kv.scan('100%')).toEqual(['100%']);
    expect(await kv.scan('a_b')).toEqual(['a_b']);
    expect(await kv.scan('a.b')).toEqual(['a.b']);
    expect(await kv.scan('a\\*b')).toEqual(['a*b']);
    expect(await kv.scan('a[!.X]b')).toEqual(['a*b', 'a_b']);
    expect(await kv.scan('')).toEqual([]);
    expect(await kv.scan({ prefix: 'a*' })).toEqual(['a*b']);
    expect(await kv.scan({ prefix: '100%' })).toEqual(['100%']);
    expect(await kv.scan({ prefix: 'user:', match: '*:x' })).toEqual(['user:1:x']);
    expect(await kv.scan({ prefix: 'a', match: 'user*' })).toEqual([]);
    expect(await kv.count('user:*')).toBe(3);
    expect(await kv.count({ prefix: '' })).toBe(keys.length);
    expect(await collect(kv.keys('a?b'))).toEqual(['a*b', 'a.b', 'aXb', 'a_b']);
    expect(await collect(kv.entries({ prefix: 'user:2' }))).toEqual([['user:2', 'user:2']]);
  });

  it('search finds keys by glob, page by page', async () => {
    const { kv } = await open(makeKv);
    await kv.mset(Array.from({ length: 25 }, (_, i) => [`k${String(i).padStart(2, '0')}`, i] as const));
    expect(await kv.search(By.Key, 'k1?')).toHaveLength(10);
    expect(await kv.search('key', 'k*', { limit: 2 })).toEqual(['k00', 'k01']);
    expect(await kv.search('key', 'k*', { limit: 2, after: 'k01' })).toEqual(['k02', 'k03']);
    expect(await kv.search(By.Key, 'k')).toEqual([]);
  });

  it('search finds values by the text of their JSON', async () => {
    const { kv } = await open(makeKv);
    await kv.mset<unknown>({
      a: { city: 'Rīga', tags: ['x', 'y'], n: 1.5, b: 2, aa: { z: null } },
      b: 'in Rīga 100%',
      c: [1e21, 1e-7, true],
      bytes: Buffer.from('Rīga'),
    });
    await kv.incr('counter', 4711);
    expect(await kv.search(By.Value, 'Rīga')).toEqual(['a', 'b']);
    expect(await kv.search(By.Value, 'rīga')).toEqual([]);
    expect(await kv.search('value', '100%')).toEqual(['b']);
    expect(await kv.search('value', '_')).toEqual([]);
    expect(await kv.search('value', '"city": "Rīga"')).toEqual(['a']);
    // Short names first, then by bytes; numbers without exponent.
    expect(await kv.search('value', '{"b": 2, "n": 1.5, "aa": {"z": null}, "city": "Rīga", "tags": ["x", "y"]}')).toEqual(['a']);
    expect(await kv.search('value', '[1000000000000000000000, 0.0000001, true]')).toEqual(['c']);
    expect(await kv.search('value', '471')).toEqual(['counter']);
    expect(await kv.search('value', '', { limit: 2 })).toEqual(['a', 'b']);
    expect(await kv.search('value', '', { after: 'b' })).toEqual(['c', 'counter']);
  });

  it('find finds by a field, of its own type', async () => {
    const { kv } = await open(makeKv);
    const users = kv.ns('users');
    await users.mset<unknown>({
      a: { profile: { city: 'Rīga' }, age: 5, active: true, left: null, list: [{ x: 1 }] },
      b: { profile: { city: 'Rīga' }, age: '5', active: 'true' },
      c: { profile: { city: 'Cēsis' }, age: 5.0, active: false },
      d: { 'profile.city': 'Rīga', profile: 'Rīga' },
      e: 'Rīga',
      f: Buffer.from('Rīga'),
    });
    await users.incr('g', 5);
    expect(await kv.find('users', 'profile.city', 'Rīga')).toEqual(['a', 'b']);
    expect(await kv.find('users', 'age', 5)).toEqual(['a', 'c']);
    expect(await kv.find('users', 'age', '5')).toEqual(['b']);
    expect(await kv.find('users', 'active', true)).toEqual(['a']);
    expect(await kv.find('users', 'left', null)).toEqual(['a']);
    expect(await kv.find('users', 'list.0.x', 1)).toEqual(['a']);
    expect(await kv.find('users', 'profile', 'Rīga')).toEqual(['d']);
    expect(await kv.find('users', 'none', 'x')).toEqual([]);
    expect(await kv.find('nobody', 'age', 5)).toEqual([]);
    expect(await kv.find('users', 'age', 5, { limit: 1 })).toEqual(['a']);
    expect(await kv.find('users', 'age', 5, { after: 'a' })).toEqual(['c']);
  });

  it('deletePrefix deletes what begins so, literally', async () => {
    const { kv } = await open(makeKv);
    await kv.mset({ 'a%1': 1, 'a%2': 2, ab: 3, a: 4, 'a\uffff': 5, b: 6 });
    expect(await kv.deletePrefix('a%')).toBe(2);
    expect(await kv.scan()).toEqual(['a', 'ab', 'a\uffff', 'b']);
    expect(await kv.deletePrefix('a')).toBe(3);
    expect(await kv.deletePrefix('x')).toBe(0);
    expect(await kv.scan()).toEqual(['b']);
  });

  it('deletePrefix and clear go on over many', async () => {
    const { kv } = await open(makeKv);
    await kv.mset(Array.from({ length: 2_500 }, (_, i) => [`k${i}`, i] as const));
    await kv.set('other', 1);
    expect(await kv.deletePrefix('k')).toBe(2_500);
    expect(await kv.scan()).toEqual(['other']);
    expect(await kv.clear()).toBe(1);
    expect(await kv.count()).toBe(0);
  });

  it('stats tell sizes and counts', async () => {
    const { kv } = await open(makeKv);
    const empty = await kv.stats();
    expect(empty).toMatchObject({ keys: 0, expired: 0, valueBytes: 0, averageValueBytes: 0, largestValueBytes: 0 });
    await kv.mset<unknown>({ a: Buffer.alloc(100), b: Buffer.alloc(300) });
    await kv.ns('other').set('c', Buffer.alloc(1_000));
    const stats = await kv.stats();
    expect(stats).toMatchObject({ keys: 2, valueBytes: 400, averageValueBytes: 200, largestValueBytes: 300 });
    expect(stats.tableBytes).toBeGreaterThan(0);
    expect(stats.indexBytes).toBeGreaterThanOrEqual(0);
    await kv.compact();
    expect(await kv.count()).toBe(2);
  });
}
