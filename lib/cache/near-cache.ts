import type { Notices, Subscription } from '../database/notices';
import type { JoinedTransaction } from '../database/transactions';
import type { FoundEntry } from './cache-store';
import type { Eviction } from './eviction';
import { NearCopies, type Load } from './near-copies';

const topic = 'cache';
/** Milliseconds since the last proof of hearing within which copies are served. */
const longestSilence = 2_000;

/** Notices of what was evicted, from process to process: as few as the keys, tags and prefixes. */
type Bus = Pick<Notices, 'subscribe' | 'publish' | 'publishIn' | 'provenAt'>;

/**
 * Near copies of what other processes may change: each eviction and write is announced to all, and copies are served only
 * while it is proven that announcements are heard.
 */
export class NearCache {
  private readonly copies: NearCopies;
  private readonly waiting = new Map<string, Set<() => void>>();
  private subscription: Subscription | undefined;
  private closed = false;

  constructor(
    private readonly bus: Bus,
    options: { readonly maxEntries: number; readonly ttl: number },
    private readonly warn: (message: string) => void,
    /** Told of what other processes evict. */
    private readonly heard: (eviction: Eviction) => void,
  ) {
    this.copies = new NearCopies(options);
  }

  /** A copy that may be served. */
  find(namespace: string, key: string): FoundEntry | undefined {
    const now = performance.now();
    return this.isTrusted(now) ? this.copies.find(namespace, key, now) : undefined;
  }

  /** What a statement finds, kept as a copy if that is right. */
  load(namespace: string, key: string, statement: () => Promise<FoundEntry | undefined>): Promise<FoundEntry | undefined> {
    const load = this.begin(namespace, key);
    return statement().then(
      (found) => {
        this.copies.end(load, this.isTrusted() ? found : undefined);
        return found;
      },
      (error: unknown) => {
        this.copies.end(load);
        throw error;
      },
    );
  }

  /** The same for several keys. */
  async loadMany(
    namespace: string,
    keys: readonly string[],
    statement: () => Promise<(FoundEntry | undefined)[]>,
  ): Promise<(FoundEntry | undefined)[]> {
    const loads = keys.map((key) => this.begin(namespace, key));
    let found: (FoundEntry | undefined)[] = [];
    try {
      found = await statement();
    } finally {
      const isTrusted = this.isTrusted();
      loads.forEach((load, i) => this.copies.end(load, isTrusted ? found[i] : undefined));
    }
    return found;
  }

  /** Does a write, and has all processes remove their copies; also when it fails, as it may take effect unseen. */
  write<R>(namespace: string, key: string, statement: () => Promise<R>): Promise<R> {
    this.copies.evictKey(namespace, key);
    const written = (): void => {
      this.bus.publish(topic, itemOf('k', namespace, key));
      this.copies.evictKey(namespace, key);
    };
    return statement().then(
      (result) => {
        written();
        return result;
      },
      (error: unknown) => {
        written();
        throw error;
      },
    );
  }

  /** Removes copies in this process. */
  evict(eviction: Eviction): void {
    this.copies.evict(eviction);
  }

  /** Has other processes remove their copies. */
  announce(eviction: Eviction): void {
    for (const item of itemsOf(eviction)) this.bus.publish(topic, item);
  }

  /** The same when, and if, a transaction commits; to be called inside an operation of it. */
  announceIn(transaction: JoinedTransaction, eviction: Eviction): Promise<void> {
    return this.bus.publishIn(transaction, topic, itemsOf(eviction));
  }

  /** Resolves after so many milliseconds, or when a key is heard to have changed. */
  async changed(namespace: string, key: string, ms: number): Promise<void> {
    const name = `${namespace}\0${key}`;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        const others = this.waiting.get(name);
        others?.delete(wake);
        if (others?.size === 0) this.waiting.delete(name);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      const waiting = this.waiting.get(name);
      if (waiting === undefined) this.waiting.set(name, new Set([wake]));
      else waiting.add(wake);
    });
  }

  /** Stops listening. */
  close(): void {
    this.closed = true;
    this.subscription?.close();
  }

  private begin(namespace: string, key: string): Load {
    if (this.subscription === undefined && !this.closed) this.listen();
    return this.copies.begin(namespace, key);
  }

  private isTrusted(now = performance.now()): boolean {
    const { provenAt } = this.bus;
    return provenAt !== undefined && now - provenAt < longestSilence;
  }

  private listen(): void {
    const listener = {
      // What this process has evicted itself, it has removed already.
      items: (items: readonly string[], own: boolean) => {
        if (!own) for (const item of items) this.hear(item);
      },
      missed: () => this.copies.clear(),
    };
    this.subscription = this.bus.subscribe(topic, listener, { heartbeat: true });
    void this.subscription.ready.then((ready) => {
      if (ready || this.closed) return;
      this.warn('no near copies of cache entries are served, as nothing is heard by LISTEN; give listenUrl where a pooler stands between');
    });
  }

  private hear(item: string): void {
    const eviction = readItem(item);
    this.copies.evict(eviction);
    this.heard(eviction);
    for (const key of eviction.keys ?? []) {
      for (const wake of [...(this.waiting.get(`${eviction.namespace}\0${key}`) ?? [])]) wake();
    }
  }
}

type ItemKind = 'k' | 't' | 'p';

// The length of the namespace instead of a separator: nothing in it has to be escaped on its way.
function itemOf(kind: ItemKind, namespace: string, text: string): string {
  return `${kind}${namespace.length}:${namespace}${text}`;
}

function itemsOf({ namespace, keys, tags, prefix }: Eviction): string[] {
  const items = [...(keys ?? []).map((key) => itemOf('k', namespace, key)), ...(tags ?? []).map((tag) => itemOf('t', namespace, tag))];
  if (prefix !== undefined) items.push(itemOf('p', namespace, prefix));
  return items;
}

function readItem(item: string): Eviction {
  const colon = item.indexOf(':');
  const end = colon + 1 + Number(item.slice(1, colon));
  const namespace = item.slice(colon + 1, end);
  const text = item.slice(end);
  switch (item[0] as ItemKind) {
    case 'k':
      return { namespace, keys: [text] };
    case 't':
      return { namespace, tags: [text] };
    case 'p':
      return { namespace, prefix: text };
  }
}
