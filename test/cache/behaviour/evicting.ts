import { expect, it } from 'vitest';
import { open, type MakeCache } from './setup';

export function describeEvicting(makeCache: MakeCache): void {
  it('delete removes keys and counts them', async () => {
    const { cache } = await open(makeCache);
    await Promise.all(['a', 'b', 'c'].map((key) => cache.set(key, 1)));
    expect(await cache.delete('a', 'b', 'a', 'missing')).toBe(2);
    expect(await cache.mget(['a', 'b', 'c'])).toEqual([undefined, undefined, 1]);
    expect(await cache.delete()).toBe(0);
  });

  it('deleteByTag removes what has one of the tags, in its namespace', async () => {
    const { cache } = await open(makeCache);
    const other = cache.namespace('other');
    await cache.set('1', 1, { tags: ['a', 'b'] });
    await cache.set('2', 1, { tags: ['b'] });
    await cache.set('3', 1, { tags: ['c', 'quo"te', 'com,ma', '{}', 'back\\slash', 'null', ' '] });
    await cache.set('4', 1);
    await other.set('1', 1, { tags: ['a'] });
    expect(await cache.deleteByTag('a', 'x')).toBe(1);
    expect(await cache.deleteByTag('a', 'b', 'c')).toBe(2);
    expect(await cache.deleteByTag()).toBe(0);
    expect(await cache.mget(['1', '2', '3', '4'])).toEqual([undefined, undefined, undefined, 1]);
    expect(await other.get('1')).toBe(1);
    for (const tag of ['quo"te', 'com,ma', '{}', 'back\\slash', 'null', ' ']) {
      await cache.set('odd', 1, { tags: [tag] });
      expect(await cache.deleteByTag(tag), tag).toBe(1);
    }
  });

  it('a write takes the place of the tags too', async () => {
    const { cache } = await open(makeCache);
    await cache.set('k', 1, { tags: ['a'] });
    await cache.set('k', 2, { tags: ['b'] });
    expect(await cache.deleteByTag('a')).toBe(0);
    await cache.set('k', 3);
    expect(await cache.deleteByTag('b')).toBe(0);
    expect(await cache.get('k')).toBe(3);
  });

  it('deletePrefix takes its argument literally', async () => {
    const { cache } = await open(makeCache);
    const keys = ['a%b', 'a%c', 'axb', 'a_b', 'a', 'b', 'ä', 'äb', '\u{1f600}x'];
    await Promise.all(keys.map((key) => cache.set(key, 1)));
    expect(await cache.deletePrefix('a%')).toBe(2);
    expect(await cache.deletePrefix('a_')).toBe(1);
    expect(await cache.deletePrefix('ä')).toBe(2);
    expect(await cache.deletePrefix('\u{1f600}')).toBe(1);
    expect(await cache.deletePrefix('none')).toBe(0);
    expect(await cache.mget(['a', 'axb', 'b'])).toEqual([1, 1, 1]);
    expect(await cache.deletePrefix('')).toBe(3);
  });

  it('more than a step can delete is deleted too', async () => {
    const { cache } = await open(makeCache);
    await Promise.all(Array.from({ length: 2_500 }, (_, i) => cache.set(`k${i}`, i, { tags: ['all', `tag ${i % 2}`] })));
    expect(await cache.deleteByTag('tag 1')).toBe(1_250);
    expect(await cache.deletePrefix('k1')).toBe(555);
    expect(await cache.deleteByTag('all')).toBe(695);
  });

  it('clear empties the namespace and no other', async () => {
    const { cache } = await open(makeCache);
    await cache.set('k', 1);
    await cache.namespace('n').set('k', 1);
    await cache.clear();
    expect(await cache.get('k')).toBeUndefined();
    expect(await cache.namespace('n').get('k')).toBe(1);
  });
}
