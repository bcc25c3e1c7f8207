// what the method decorators accept, and what must not compile
import { Injectable } from '@nestjs/common';
import { CacheEvict, Cached, WithLock, type AsyncMethodDecorator, type WithLockOptions } from 'nestjs-persistpg';

type Maybe<T> = T | undefined;
interface Thing { id: string }

@Injectable()
export class Locked {
  @WithLock('void') async nothing(): Promise<void> {}
  @WithLock('undefined') async none(): Promise<undefined> {}
  @WithLock('maybe', { onBusy: 'skip', wait: '1s' }) async maybe(): Promise<Maybe<Thing>> { return undefined; }
  @WithLock('unknown') async unknown(): Promise<unknown> { return 1; }
  @WithLock('any') async any(): Promise<any> { return 1; }
  @WithLock('throws', { onBusy: 'throw' }) async throws(): Promise<Thing> { return { id: '1' }; }
  @WithLock('throws', { onBusy: 'throw' }) @WithLock('skips') async twice(): Promise<void> {}
  @WithLock('a promise, not async', { onBusy: 'throw' }) promised(): Promise<number> { return Promise.resolve(1); }
  @WithLock((id: string) => `order:${id}`) async first(id: string, amount: number): Promise<void> { void [id, amount]; }
  @WithLock((id: string, amount?: number) => `order:${id}:${amount}`) async optional(id: string, amount?: number): Promise<void> { void [id, amount]; }
  @WithLock((thing: { id: string }) => thing.id) async structural(thing: Thing): Promise<void> { void thing; }
  @WithLock((...ids: string[]) => ids.join()) async rest(...ids: string[]): Promise<void> { void ids; }
  @WithLock(() => 'of no argument') async ignored(id: string): Promise<void> { void id; }
  @WithLock('all', { ttl: '10m', autoRenew: false, owner: 'me', description: 'nightly', atLeast: 0, wait: Infinity, mode: 'lease', instance: 'jobs' }) async all(): Promise<void> {}
  @WithLock('transaction', { mode: 'transaction' }) async transaction(): Promise<void> {}

  // @ts-expect-error a skipped run would resolve to undefined
  @WithLock('number') async number(): Promise<number> { return 1; }
  // @ts-expect-error null is not undefined
  @WithLock('null') async nullable(): Promise<Thing | null> { return null; }
  // @ts-expect-error neither is a union without it
  @WithLock('union', { onBusy: 'skip' }) async union(): Promise<string | number> { return 1; }
  // @ts-expect-error a promise that is not async is one all the same
  @WithLock('promised') promisedNumber(): Promise<number> { return Promise.resolve(1); }
  // @ts-expect-error not async
  @WithLock('sync') sync(): void {}
  // @ts-expect-error not async, whatever happens when it is busy
  @WithLock('sync', { onBusy: 'throw' }) syncNumber(): number { return 1; }
  // @ts-expect-error only sometimes a promise
  @WithLock('sometimes') sometimes(): Promise<void> | void {}
  // @ts-expect-error a stream is no promise
  @WithLock('generator') async *generator(): AsyncGenerator<number> { yield 1; }
  // @ts-expect-error for methods
  @WithLock('field') field = async (): Promise<void> => {};
  // @ts-expect-error for methods
  @WithLock('getter') get getter(): number { return 1; }
  // @ts-expect-error the function wants a number, the method takes a text
  @WithLock((id: number) => `${id}`) async otherType(id: string): Promise<void> { void id; }
  // @ts-expect-error a name is a text
  @WithLock((id: string) => id.length) async notAText(id: string): Promise<void> { void id; }
  // @ts-expect-error a name is made at once
  @WithLock(async (id: string) => id) async later(id: string): Promise<void> { void id; }
  // @ts-expect-error what to lock?
  @WithLock() async nameless(): Promise<void> {}
  // @ts-expect-error skip or throw
  @WithLock('busy', { onBusy: 'wait' }) async busy(): Promise<void> {}
  // @ts-expect-error seconds? minutes?
  @WithLock('ttl', { ttl: '10' }) async unitless(): Promise<void> {}
  // @ts-expect-error no such option
  @WithLock('timeout', { timeout: 1 }) async noSuchOption(): Promise<void> {}
}
// @ts-expect-error for methods
@WithLock('class')
export class NotForClasses {}

// A wrapper of one's own keeps the types.
export const Nightly = (name: string, options: WithLockOptions = {}): AsyncMethodDecorator<[]> => WithLock(name, { ...options, onBusy: 'throw' });

@Injectable()
export class CachedThings {
  @Cached() async all(): Promise<Thing[]> { return []; }
  @Cached({ ttl: '1m', grace: '1h', softTimeout: 0, hardTimeout: '5s', refreshAhead: 0.8, jitter: 0.1, serializer: 'structured', instance: 'audit' }) async tuned(): Promise<Date> { return new Date(); }
  @Cached({ key: 'things' }) async fixed(): Promise<Thing[]> { return []; }
  @Cached({ key: (id: string) => id, tags: (id: string) => [`thing:${id}`], varyBy: (id: string) => [id, 1, true, undefined] }) async byId(id: string): Promise<Thing> { return { id }; }
  @Cached({ key: (id: string) => id }) async more(id: string, more?: boolean): Promise<Thing> { return { id: id + more }; }
  @Cached({ tags: ['things'], revive: (kept: Thing) => ({ ...kept }) }) async revived(): Promise<Thing> { return { id: '1' }; }
  @Nightly('nightly') async nightly(): Promise<number> { return 1; }
  @CacheEvict({ key: 'things', tags: ['things'], prefix: 'thing:', transactional: true, instance: 'audit' }) async clear(): Promise<void> {}
  @CacheEvict({ key: (thing: Thing) => [thing.id, 'things'] }) async save(thing: Thing): Promise<Thing> { return thing; }
  @CacheEvict({ prefix: (id: string) => `thing:${id}:` }) @Cached({ key: (id: string) => id }) async both(id: string): Promise<void> { void id; }

  // @ts-expect-error not async
  @Cached() sync(): number { return 1; }
  // @ts-expect-error not async
  @CacheEvict({ key: 'a' }) evictSync(): void {}
  // @ts-expect-error the key function wants a number
  @Cached({ key: (id: number) => `${id}` }) async keyOfNumber(id: string): Promise<string> { return id; }
  // @ts-expect-error the tag function wants a number
  @Cached({ tags: (id: number) => [`${id}`] }) async tagsOfNumber(id: string): Promise<string> { return id; }
  // @ts-expect-error tags are a list
  @Cached({ tags: 'things' }) async tagText(): Promise<string> { return ''; }
  // @ts-expect-error the parts are a function of the arguments
  @Cached({ varyBy: ['riga'] }) async fixedParts(): Promise<string> { return ''; }
  // @ts-expect-error a cached method that never keeps
  @Cached({ forceFresh: true }) async fresh(): Promise<string> { return ''; }
  // @ts-expect-error nothing said
  @CacheEvict() async nothing(): Promise<void> {}
  // @ts-expect-error the key function wants a number
  @CacheEvict({ key: (id: number) => `${id}` }) async evictNumber(id: string): Promise<void> { void id; }
  // @ts-expect-error a prefix is one
  @CacheEvict({ prefix: ['a', 'b'] }) async prefixes(): Promise<void> {}
}
