import { expect, it } from 'vitest';
import type { FoundEntry } from '../../lib/cache/cache-store';
import { NearCopies } from '../../lib/cache/near-copies';

class Clock {
  ms = 1_000;
  readonly now = (): number => this.ms;
}

function open(options: { maxEntries?: number; ttl?: number } = {}): { copies: NearCopies; clock: Clock } {
  const clock = new Clock();
  return { copies: new NearCopies({ maxEntries: 100, ttl: 5_000, ...options }, clock.now), clock };
}

const found = (payload: string, left = 60_000, tags: string[] = []): FoundEntry => ({
  payload,
  left,
  life: left,
  graceLeft: 0,
  tags,
  claim: undefined,
});

function keep(copies: NearCopies, key: string, entry: FoundEntry = found(key), namespace = ''): void {
  copies.end(copies.begin(namespace, key), entry);
}

it('keeps what a load has found, for as long as it is fresh and the copy may live', () => {
  const { copies, clock } = open();
  keep(copies, 'long', found('long', 60_000));
  keep(copies, 'short', found('short', 1_000));
  keep(copies, 'stale', found('stale', 0));
  copies.end(copies.begin('', 'missing'));
  expect(copies.find('', 'long')).toMatchObject({ payload: 'long', left: 60_000, life: 60_000 });
  expect(copies.size).toBe(2);
  clock.ms += 999;
  expect(copies.find('', 'short')).toMatchObject({ payload: 'short', left: 1 });
  clock.ms += 1;
  expect(copies.find('', 'short')).toBeUndefined();
  clock.ms += 3_999;
  expect(copies.find('', 'long')).toMatchObject({ left: 55_001 });
  clock.ms += 1;
  expect(copies.find('', 'long')).toBeUndefined();
  expect(copies.size).toBe(0);
});

it('counts the time from before the statement was sent', () => {
  const { copies, clock } = open();
  const load = copies.begin('', 'k');
  clock.ms += 4_000;
  copies.end(load, found('k'));
  clock.ms += 999;
  expect(copies.find('', 'k')).toBeDefined();
  clock.ms += 1;
  expect(copies.find('', 'k')).toBeUndefined();
});

it('an eviction removes the copy, and what is under way keeps none', () => {
  const { copies } = open();
  keep(copies, 'k');
  const load = copies.begin('', 'k');
  const other = copies.begin('', 'other');
  copies.evict({ namespace: '', keys: ['k'] });
  expect(copies.find('', 'k')).toBeUndefined();
  copies.end(load, found('old'));
  copies.end(other, found('other'));
  expect(copies.find('', 'k')).toBeUndefined();
  expect(copies.find('', 'other')).toBeDefined();
  keep(copies, 'k', found('new'));
  expect(copies.find('', 'k')).toMatchObject({ payload: 'new' });
});

it('a load that an eviction has met removes a copy that was kept by a later one too', () => {
  const { copies } = open();
  const load = copies.begin('', 'k');
  copies.evict({ namespace: '', keys: ['k'] });
  keep(copies, 'k', found('new'));
  copies.end(load, found('old'));
  expect(copies.find('', 'k')).toBeUndefined();
});

it('of several loads of a key, each is told of what comes after its beginning', () => {
  const { copies } = open();
  const [first, second, third] = [copies.begin('', 'k'), copies.begin('', 'k'), copies.begin('', 'k')];
  copies.end(second, found('second'));
  expect(copies.find('', 'k')).toMatchObject({ payload: 'second' });
  copies.evictKey('', 'k');
  const fourth = copies.begin('', 'k');
  copies.end(first, found('first'));
  copies.end(third, found('third'));
  expect(copies.find('', 'k')).toBeUndefined();
  copies.end(fourth, found('fourth'));
  expect(copies.find('', 'k')).toMatchObject({ payload: 'fourth' });
});

it('evictions by tag, prefix and namespace meet copies, and loads whose tags are known only at their end', () => {
  const evictions = [{ tags: ['t'] }, { prefix: 'k' }, { prefix: '' }];
  for (const eviction of evictions) {
    const { copies } = open();
    keep(copies, 'k1', found('1', 60_000, ['s', 't']));
    keep(copies, 'x', found('x', 60_000, ['s']));
    keep(copies, 'k1', found('1', 60_000, ['t']), 'other');
    const load = copies.begin('', 'k2');
    copies.evict({ namespace: '', ...eviction });
    copies.end(load, found('2', 60_000, ['t']));
    expect(copies.find('', 'k1')).toBeUndefined();
    expect(copies.find('', 'k2')).toBeUndefined();
    expect(copies.find('', 'x') === undefined).toBe(eviction.prefix === '');
    expect(copies.find('other', 'k1')).toBeDefined();
    keep(copies, 'k1', found('1', 60_000, ['t']));
    expect(copies.find('', 'k1')).toBeDefined();
  }
});

it('clear removes everything, and what is under way keeps nothing', () => {
  const { copies } = open();
  keep(copies, 'k');
  const load = copies.begin('n', 'k');
  copies.clear();
  copies.end(load, found('k'));
  expect(copies.find('', 'k')).toBeUndefined();
  expect(copies.find('n', 'k')).toBeUndefined();
  keep(copies, 'k');
  expect(copies.find('', 'k')).toBeDefined();
});

it('is bounded by entries and bytes', () => {
  const { copies } = open({ maxEntries: 3 });
  for (const key of ['a', 'b', 'c']) keep(copies, key);
  expect(copies.find('', 'a')).toBeDefined();
  keep(copies, 'd');
  expect([copies.find('', 'a'), copies.find('', 'b')].map((copy) => copy !== undefined)).toEqual([true, false]);
  const { copies: large } = open({ maxEntries: 1_000 });
  for (let i = 0; i < 200; i++) keep(large, `k${i}`, found('x'.repeat(250_000)));
  expect(large.size).toBeGreaterThan(50);
  expect(large.size).toBeLessThan(68);
  keep(large, 'too large', found('x'.repeat(1_100_000)));
  expect(large.find('', 'too large')).toBeUndefined();
});

it('forgets evictions that nothing kept is old enough for, and gives up everything when there are too many', () => {
  const { copies, clock } = open();
  for (let i = 0; i < 1_000; i++) {
    clock.ms += 100;
    copies.evict({ namespace: '', tags: [`t${i}`], prefix: `p${i}` });
  }
  expect(copies.remembered).toBeLessThan(310);
  keep(copies, 'k');
  for (let i = 0; i < 60_000; i++) copies.evict({ namespace: 'n', tags: [`t${i}`] });
  expect(copies.remembered).toBeLessThan(50_001);
  expect(copies.find('', 'k')).toBeUndefined();
});
