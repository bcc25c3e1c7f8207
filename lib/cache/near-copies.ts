import { LRUCache } from 'lru-cache';
import type { FoundEntry, Memo, Payload } from './cache-store';
import type { Eviction } from './eviction';

/** Bytes that all copies may take, about. */
const maxBytes = 64 * 1024 * 1024;
/** Bytes that one may take. */
const maxCopy = 4 * 1024 * 1024;
/** Evictions that are remembered at most; by prefix few, as each is compared with. */
const most = { tags: 50_000, prefixes: 1_000 };

/** A copy of an entry, and when it must not be served any more. */
interface Copy {
  readonly payload: Payload;
  readonly life: number;
  readonly tags: readonly string[];
  readonly memo: Memo;
  /** On the monotonic clock. */
  readonly freshUntil: number;
  readonly dropAt: number;
  /** Evictions counted when its statement was sent. */
  readonly seen: number;
}

/** A read of one key that is under way, and may end in a copy. */
export interface Load {
  readonly name: string;
  readonly namespace: string;
  readonly key: string;
  readonly since: number;
  /** Evictions counted when it began. */
  readonly seen: number;
  /** Whether the key was evicted meanwhile. */
  stale: boolean;
  /** Another one on the same key. */
  next: Load | undefined;
}

/** An eviction by tag or prefix: its number, and when it came. */
interface Remembered {
  readonly number: number;
  readonly at: number;
}

/**
 * Copies of entries in the process. Each read of a key registers before its statement is sent; an eviction or a write, here
 * or elsewhere, removes the copy and marks every registration, and a marked one keeps nothing. (Without that, 17 of 1 386
 * copies stayed stale.) What is evicted by tag or prefix has a number: a copy or a read of an older one is not kept. Writes
 * keep no copy: it might be older than another's write, and costs more than the one read that makes it good.
 */
export class NearCopies {
  private readonly copies: LRUCache<string, Copy>;
  /** Those on a key, the last one first. */
  private readonly loads = new Map<string, Load>();
  private readonly tags = new Map<string, Remembered>();
  private readonly prefixes = new Map<string, Remembered & { readonly namespace: string; readonly prefix: string }>();
  private evictions = 0;
  /** What is older than this eviction of everything is worth nothing. */
  private cleared = 0;

  constructor(
    private readonly options: { readonly maxEntries: number; readonly ttl: number },
    private readonly now: () => number = () => performance.now(),
  ) {
    this.copies = new LRUCache({
      max: options.maxEntries,
      maxSize: maxBytes,
      maxEntrySize: maxCopy,
      // Of texts, what is made of them takes three times as much again.
      sizeCalculation: ({ payload }, name) => (typeof payload === 'string' ? 4 : 1) * payload.length + name.length + 256,
    });
  }

  /** Copies kept. */
  get size(): number {
    return this.copies.size;
  }

  /** Evictions by tag or prefix that are remembered. */
  get remembered(): number {
    return this.tags.size + this.prefixes.size;
  }

  find(namespace: string, key: string, now = this.now()): FoundEntry | undefined {
    const name = nameOf(namespace, key);
    const copy = this.copies.get(name);
    if (copy === undefined) return undefined;
    if (now >= copy.dropAt || this.wasEvicted(namespace, key, copy.tags, copy.seen)) {
      this.copies.delete(name);
      return undefined;
    }
    const { payload, life, tags, freshUntil, memo } = copy;
    return { payload, left: freshUntil - now, life, graceLeft: 0, tags, claim: undefined, memo };
  }

  /** To be called before the statement is sent. */
  begin(namespace: string, key: string): Load {
    const name = nameOf(namespace, key);
    const next = this.loads.get(name);
    const load: Load = { name, namespace, key, since: this.now(), seen: this.evictions, stale: false, next };
    this.loads.set(name, load);
    return load;
  }

  /** To be called once when the answer has come, or will not be waited for; keeps what was found, unless it may be out of date. */
  end(load: Load, found?: Pick<FoundEntry, 'payload' | 'left' | 'life' | 'tags'>): void {
    const { name, namespace, key, since, seen } = load;
    this.leave(load);
    if (found?.payload === undefined || found.left <= 0) return;
    const { payload, left, life, tags } = found;
    if (load.stale || this.wasEvicted(namespace, key, tags, seen)) {
      this.copies.delete(name);
      return;
    }
    const freshUntil = since + left;
    const dropAt = Math.min(freshUntil, since + this.options.ttl);
    this.copies.set(name, { payload, life, tags, memo: { by: undefined, value: undefined }, freshUntil, dropAt, seen });
  }

  /** Removes the copy of a key, and has what is under way keep none. */
  evictKey(namespace: string, key: string): void {
    const name = nameOf(namespace, key);
    this.copies.delete(name);
    for (let load = this.loads.get(name); load !== undefined; load = load.next) load.stale = true;
  }

  /** Removes copies, and has what is under way keep none. */
  evict({ namespace, keys, tags, prefix }: Eviction): void {
    for (const key of keys ?? []) this.evictKey(namespace, key);
    if (tags === undefined && prefix === undefined) return;
    const remembered: Remembered = { number: ++this.evictions, at: this.now() };
    for (const tag of tags ?? []) remember(this.tags, nameOf(namespace, tag), remembered);
    if (prefix !== undefined) remember(this.prefixes, nameOf(namespace, prefix), { ...remembered, namespace, prefix });
    this.forgetOld();
  }

  /** Removes every copy, and has what is under way keep none. */
  clear(): void {
    this.cleared = ++this.evictions;
    this.copies.clear();
    this.tags.clear();
    this.prefixes.clear();
  }

  private leave(load: Load): void {
    const { name, next } = load;
    let other = this.loads.get(name);
    if (other === load) {
      if (next === undefined) this.loads.delete(name);
      else this.loads.set(name, next);
      return;
    }
    while (other !== undefined && other.next !== load) other = other.next;
    if (other !== undefined) other.next = next;
  }

  private wasEvicted(namespace: string, key: string, tags: readonly string[], seen: number): boolean {
    if (seen < this.cleared) return true;
    if (this.remembered === 0) return false;
    for (const tag of tags) {
      const evicted = this.tags.get(nameOf(namespace, tag));
      if (evicted !== undefined && evicted.number > seen) return true;
    }
    for (const evicted of this.prefixes.values()) {
      if (evicted.number > seen && evicted.namespace === namespace && key.startsWith(evicted.prefix)) return true;
    }
    return false;
  }

  // What is older than an eviction so old is too old to be served, and no statement is waited for that long.
  private forgetOld(): void {
    const old = this.now() - this.options.ttl - 10_000;
    for (const all of [this.tags, this.prefixes]) {
      for (const [name, { at }] of all) {
        if (at > old) break;
        all.delete(name);
      }
    }
    if (this.tags.size > most.tags || this.prefixes.size > most.prefixes) this.clear();
  }
}

// Oldest first.
function remember<R>(all: Map<string, R>, name: string, eviction: R): void {
  all.delete(name);
  all.set(name, eviction);
}

// No text has a zero in it.
function nameOf(namespace: string, text: string): string {
  return namespace === '' ? text : `${namespace}\0${text}`;
}
