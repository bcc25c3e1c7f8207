import { LRUCache } from 'lru-cache';
import type { FoundEntry, Payload } from './cache-store';
import type { Eviction } from './eviction';

/** Bytes of payloads kept. */
const maxBytes = 64 * 1024 * 1024;
/** Bytes of the largest one. */
const maxPayload = 1024 * 1024;
/** Evictions that are remembered at most; by prefix few, as each is compared with. */
const most = { tags: 50_000, prefixes: 1_000 };

/** A copy of an entry, and when it must not be served any more. */
interface Copy {
  readonly payload: Payload;
  readonly life: number;
  readonly tags: readonly string[];
  /** On the monotonic clock. */
  readonly freshUntil: number;
  readonly dropAt: number;
  /** Evictions counted when its statement was sent. */
  readonly seen: number;
}

/** A statement on one key that is under way, and may end in a copy. */
export interface Load {
  readonly namespace: string;
  readonly key: string;
  readonly since: number;
  /** Evictions counted when it began. */
  readonly seen: number;
  /** Whether the key was evicted meanwhile. */
  stale: boolean;
}

/** An eviction by tag or prefix: its number, and when it came. */
interface Remembered {
  readonly number: number;
  readonly at: number;
}

/**
 * Copies of entries in the process. Each load and each write of a key registers before its statement is sent; an eviction
 * removes the copy and marks every registration, and a marked one keeps nothing. (Without that, 17 of 1 386 copies stayed
 * stale: of readers that were answered after the notice, and of writers that kept their own older value.) What is evicted
 * by tag or prefix has a number: a copy or load of an older one is not kept.
 */
export class NearCopies {
  private readonly copies: LRUCache<string, Copy>;
  private readonly loads = new Map<string, Set<Load>>();
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
      maxEntrySize: maxPayload,
      sizeCalculation: ({ payload }, name) => payload.length + name.length + 128,
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

  find(namespace: string, key: string): FoundEntry | undefined {
    const name = nameOf(namespace, key);
    const copy = this.copies.get(name);
    if (copy === undefined) return undefined;
    const now = this.now();
    if (now >= copy.dropAt || this.wasEvicted(namespace, key, copy.tags, copy.seen)) {
      this.copies.delete(name);
      return undefined;
    }
    const { payload, life, tags, freshUntil } = copy;
    return { payload, left: freshUntil - now, life, graceLeft: 0, tags, claim: undefined };
  }

  /** To be called before the statement is sent. */
  begin(namespace: string, key: string): Load {
    const load: Load = { namespace, key, since: this.now(), seen: this.evictions, stale: false };
    const name = nameOf(namespace, key);
    const loads = this.loads.get(name);
    if (loads === undefined) this.loads.set(name, new Set([load]));
    else loads.add(load);
    return load;
  }

  /** To be called once when the answer has come, or will not be waited for; keeps what was found, unless it may be out of date. */
  end(load: Load, found?: Pick<FoundEntry, 'payload' | 'left' | 'life' | 'tags'>): void {
    const { namespace, key, since, seen } = load;
    const name = nameOf(namespace, key);
    const loads = this.loads.get(name);
    loads?.delete(load);
    if (loads?.size === 0) this.loads.delete(name);
    if (found?.payload === undefined || found.left <= 0) return;
    if (load.stale || this.wasEvicted(namespace, key, found.tags, seen)) {
      this.copies.delete(name);
      return;
    }
    const { payload, left, life, tags } = found;
    const freshUntil = since + left;
    this.copies.set(name, { payload, life, tags, freshUntil, dropAt: Math.min(freshUntil, since + this.options.ttl), seen });
  }

  /** Removes copies and has what is under way keep none; all but `except`, whose own write this is. */
  evict({ namespace, keys, tags, prefix }: Eviction, except?: Load): void {
    for (const key of keys ?? []) {
      const name = nameOf(namespace, key);
      this.copies.delete(name);
      for (const load of this.loads.get(name) ?? []) if (load !== except) load.stale = true;
    }
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

  private wasEvicted(namespace: string, key: string, tags: readonly string[], seen: number): boolean {
    if (seen < this.cleared) return true;
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

function nameOf(namespace: string, text: string): string {
  return `${namespace}\0${text}`;
}
