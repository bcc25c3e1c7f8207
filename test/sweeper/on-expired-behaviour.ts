import { Injectable, Module, Scope, type ModuleMetadata } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Kv, OnExpired, PersistPg, Sweeper, WithLock, type ExpiredEntry } from '../../lib';
import type { PersistPgModuleOptions } from '../../lib/persist-pg.options';

/** How a twin is had, and how its entries come to their end. */
export interface Twin {
  module(options: PersistPgModuleOptions & { name?: string }): NonNullable<ModuleMetadata['imports']>[number];
  /** Forgets all entries, and who handles them. */
  clear(persist: PersistPg): Promise<void>;
  /** Has everything end that lives for less than so many hours. */
  pass(persist: PersistPg, hours: number): Promise<void>;
}

type Handed = Record<string, unknown>;

/** What a handler was given, by key. */
function noted(seen: Handed[], entries: readonly ExpiredEntry[]): void {
  seen.push(Object.fromEntries(entries.map(({ key, value }) => [key, value])));
}

export function onExpiredBehaviour(twin: Twin): void {
  const options = { sweeper: { autoStart: false } };
  async function boot(providers: NonNullable<ModuleMetadata['providers']>, rest: PersistPgModuleOptions = {}) {
    const module = await Test.createTestingModule({ imports: [twin.module({ ...options, ...rest })], providers }).compile();
    module.useLogger(false);
    onTestFinished(() => module.close());
    await module.init();
    const persist = module.get(PersistPg);
    await twin.clear(persist);
    return { module, persist, kv: module.get(Kv), sweeper: module.get(Sweeper) };
  }

  describe('a method under @OnExpired()', () => {
    it('gets the entries of its namespace that the sweeper removes, once, with their last value and time', async () => {
      const seen: ExpiredEntry[] = [];
      @Injectable()
      class Carts {
        readonly shop = 'ours';
        @OnExpired('carts') async abandoned(entries: readonly ExpiredEntry<{ items: string[] }>[]) {
          expect(this.shop).toBe('ours');
          seen.push(...entries);
        }
      }
      const { kv, sweeper, persist } = await boot([Carts]);
      const carts = kv.namespace('carts');
      const before = Date.now();
      await carts.set('a', { items: ['old'] }, '1h');
      await carts.set('a', { items: ['x', 'y'] }, '1h');
      await carts.set('bytes', Buffer.from([1, 2]), '1h');
      await carts.incr('count', 7, { ttl: '1h' });
      await carts.set('null', null, '1h');
      await carts.set('lives', 1, '5h');
      await carts.set('stays', 1);
      await carts.namespace('inside').set('other', 1, '1h');
      await kv.set('root', 1, '1h');
      await twin.pass(persist, 2);
      expect(await sweeper.sweep()).toMatchObject({ kv: 6 });
      expect(Object.fromEntries(seen.map(({ key, value }) => [key, value]))).toEqual({
        a: { items: ['x', 'y'] },
        bytes: Buffer.from([1, 2]),
        count: 7,
        null: null,
      });
      // The twin on PostgreSQL moves the end instead of the clock.
      for (const { expiredAt } of seen) expect(Math.abs(expiredAt.getTime() - before)).toBeLessThan(2 * 3_600_000);
      expect(await sweeper.sweep()).toMatchObject({ kv: 0 });
      expect(seen).toHaveLength(4);
      expect(await carts.count()).toBe(2);
    });

    it('does not get what was overwritten, prolonged or deleted first', async () => {
      const seen: Handed[] = [];
      @Injectable()
      class Carts {
        @OnExpired('carts') abandoned(entries: readonly ExpiredEntry[]) {
          noted(seen, entries);
        }
      }
      const { kv, sweeper, persist } = await boot([Carts]);
      const carts = kv.namespace('carts');
      await carts.mset([
        ['gone', 1, '1h'],
        ['overwritten', 1, '1h'],
        ['deleted', 1, '1h'],
        ['prolonged', 1, '1h'],
      ]);
      await carts.expire('prolonged', '9h');
      await twin.pass(persist, 2);
      await carts.set('overwritten', 2);
      await carts.clear();
      await carts.set('again', 1, '1h');
      await carts.set('overwritten', 3);
      await sweeper.sweep();
      expect(seen).toEqual([]);
      await twin.pass(persist, 2);
      await sweeper.sweep();
      expect(seen).toEqual([{ again: 1 }]);
      expect(await carts.get('overwritten')).toBe(3);
    });

    it.each([
      ['at most once', false],
      ['at least once', true],
    ])('stands for several namespaces and beside other decorators, %s', async (_, reliable) => {
      const seen: Record<string, Handed[]> = { carts: [], holds: [], root: [] };
      class Base {
        @OnExpired('holds', { reliable }) async inherited(entries: readonly ExpiredEntry[]) {
          noted(seen['holds']!, entries);
        }
        @OnExpired('hidden') async overridden() {
          throw new Error('it was overridden');
        }
      }
      @Injectable()
      class Carts extends Base {
        @WithLock('carts', { wait: '1s' }) @OnExpired('carts', { reliable }) async abandoned(entries: readonly ExpiredEntry[]) {
          noted(seen['carts']!, entries);
        }
        @OnExpired('', { reliable }) root(entries: readonly ExpiredEntry[]) {
          noted(seen['root']!, entries);
        }
        override async overridden() {}
      }
      const { kv, sweeper, persist } = await boot([{ provide: 'made', useFactory: () => new Carts() }]);
      await kv.namespace('carts').set('c', 1, '1h');
      await kv.namespace('holds').set('h', 1, '1h');
      await kv.namespace('hidden').set('o', 1, '1h');
      await kv.set('r', 1, '1h');
      await twin.pass(persist, 2);
      expect(await sweeper.sweep()).toMatchObject({ kv: 4 });
      expect(seen).toEqual({ carts: [{ c: 1 }], holds: [{ h: 1 }], root: [{ r: 1 }] });
    });

    it('that fails loses its entries, and stops nothing', async () => {
      const counted: unknown[] = [];
      let calls = 0;
      @Injectable()
      class Carts {
        @OnExpired('carts') abandoned() {
          calls++;
          throw new Error('no mail today');
        }
      }
      const count = (name: string, by: number, labels?: object): void => {
        if (labels !== undefined && 'kind' in labels && labels.kind === 'on_expired') counted.push([name, by, labels]);
      };
      const { kv, sweeper, persist } = await boot([Carts], { instrumentation: { count, gauge() {}, record() {} } });
      await kv.namespace('carts').set('c', 1, '1h');
      await kv.set('r', 1, '1h');
      await twin.pass(persist, 2);
      expect(await sweeper.sweep()).toMatchObject({ kv: 2 });
      expect(await sweeper.sweep()).toMatchObject({ kv: 0 });
      expect(calls).toBe(1);
      expect(counted).toEqual([['persistpg_operations_total', 1, { kind: 'on_expired', outcome: 'error' }]]);
      expect(sweeper.status().lastError).toBeUndefined();
    });

    it('that fails and is reliable gets its entries again, and stops nothing', async () => {
      const seen: Handed[] = [];
      let works = false;
      @Injectable()
      class Carts {
        @OnExpired('carts', { reliable: true }) async abandoned(entries: readonly ExpiredEntry[]) {
          noted(seen, entries);
          if (!works) throw new Error('no mail today');
        }
      }
      const { kv, sweeper, persist } = await boot([Carts]);
      await kv.namespace('carts').set('c', 1, '1h');
      await kv.set('r', 1, '1h');
      await twin.pass(persist, 2);
      expect(await sweeper.sweep()).toMatchObject({ kv: 1 });
      expect(await kv.namespace('carts').get('c')).toBeUndefined();
      works = true;
      expect(await sweeper.sweep()).toMatchObject({ kv: 1 });
      expect(await sweeper.sweep()).toMatchObject({ kv: 0 });
      expect(seen).toEqual([{ c: 1 }, { c: 1 }]);
    });

    it('that hangs is waited for no longer than `timeout`, and gets nothing more before it is done', async () => {
      const seen: Handed[] = [];
      let done = (): void => {};
      @Injectable()
      class Carts {
        @OnExpired('carts', { reliable: true }) async abandoned(entries: readonly ExpiredEntry[]) {
          noted(seen, entries);
          await new Promise<void>((resolve) => (done = resolve));
        }
      }
      const { kv, sweeper, persist } = await boot([Carts], { timeout: 50 });
      await kv.namespace('carts').set('c', 1, '1h');
      await kv.set('r', 1, '1h');
      await twin.pass(persist, 2);
      expect(await sweeper.sweep()).toMatchObject({ kv: 1 });
      expect(await sweeper.sweep()).toMatchObject({ kv: 0 });
      expect(seen).toEqual([{ c: 1 }]);
      done();
      await new Promise(setImmediate);
      const again = sweeper.sweep();
      await expect.poll(() => seen.length).toBe(2);
      done();
      expect(await again).toMatchObject({ kv: 1 });
    });

    it('can be for a named instance only', async () => {
      const seen: string[] = [];
      @Injectable()
      class Carts {
        @OnExpired('carts', { instance: 'jobs' }) theirs() {
          seen.push('jobs');
        }
        @OnExpired('carts') ours() {
          seen.push('default');
        }
      }
      const { kv, sweeper, persist } = await boot([Carts]);
      await kv.namespace('carts').set('c', 1, '1h');
      await twin.pass(persist, 2);
      await sweeper.sweep();
      expect(seen).toEqual(['default']);
    });
  });

  describe('what could not work is refused when the app starts', () => {
    async function start(providers: NonNullable<ModuleMetadata['providers']>, imports: NonNullable<ModuleMetadata['imports']> = []) {
      const module = await Test.createTestingModule({ imports: [twin.module(options), ...imports], providers }).compile();
      // NestJS 11 tells again, when it closes, why it could not start.
      onTestFinished(() => module.close().catch(() => undefined));
      module.useLogger(false);
      await module.init();
    }

    it.each([Scope.REQUEST, Scope.TRANSIENT])('a provider that is made anew (scope %s)', async (scope) => {
      @Injectable({ scope })
      class Carts {
        @OnExpired('carts') abandoned() {}
      }
      await expect(start([Carts])).rejects.toThrow(/Carts has a method under @OnExpired\(\), but is made anew/);
    });

    it('a class of which there are two objects, but not one under two names', async () => {
      @Injectable()
      class Carts {
        @OnExpired('carts') abandoned() {}
      }
      @Module({ providers: [Carts] })
      class Other {}
      await expect(start([Carts], [Other])).rejects.toThrow(/two objects of the class Carts/);
      await start([Carts, { provide: 'alias', useExisting: Carts }]);
    });
  });
}
