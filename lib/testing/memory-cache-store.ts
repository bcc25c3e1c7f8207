import { compareBytes } from '../database/byte-order';
import type { Claim, ClaimMark, ClaimRequest, FoundEntry, JoinedStore, KeyPage, StoredEntry } from '../cache/cache-store';
import { ownerLength } from '../cache/cache-store';
import type { Eviction } from '../cache/eviction';
import type { MemoryClock } from './memory-clock';
import { MemoryTransaction } from './memory-transaction';

/** An entry, or a claim to make one; never changed, only replaced, so that it can be put back. */
interface MemoryCacheRow {
  readonly entry: (StoredEntry & { readonly freshUntil: number; readonly expiresAt: number; readonly at: number }) | undefined;
  readonly claim:
    | {
        readonly state: 'running' | 'failed' | 'nothing';
        readonly token: string;
        readonly message: string;
        readonly until: number;
        readonly tags: readonly string[];
      }
    | undefined;
}

type Spaces = Map<string, Map<string, MemoryCacheRow>>;

/** Keeps cache entries in this process. Every call takes effect before it returns its promise. */
export class MemoryCacheStore implements JoinedStore {
  private readonly atEnd: ((committed: boolean) => void)[] = [];

  constructor(
    private readonly clock: MemoryClock,
    private readonly spaces: Spaces = new Map(),
    private readonly transaction?: MemoryTransaction,
  ) {}

  async find(namespace: string, key: string): Promise<FoundEntry | undefined> {
    this.transaction?.check();
    const row = this.spaces.get(namespace)?.get(key);
    return row === undefined ? undefined : this.found(row);
  }

  findMany(namespace: string, keys: readonly string[]): Promise<(FoundEntry | undefined)[]> {
    return Promise.all(keys.map((key) => this.find(namespace, key)));
  }

  async set(namespace: string, key: string, entry: StoredEntry): Promise<void> {
    this.put(namespace, key, { entry: this.timed(entry), claim: undefined });
  }

  async claim(namespace: string, key: string, { token, lease, unlessFreshFor, tags }: ClaimRequest): Promise<Claim | undefined> {
    const now = this.clock.now();
    const row = this.spaces.get(namespace)?.get(key);
    if (unlessFreshFor !== 'always') {
      if (row?.claim !== undefined && row.claim.until > now && !isFree(row.claim, token)) return undefined;
      if (row?.entry !== undefined && row.entry.freshUntil - now > unlessFreshFor) return undefined;
    }
    this.put(namespace, key, { entry: row?.entry, claim: { state: 'running', token, message: '', until: now + lease, tags } });
    return { token, began: now / 1_000 };
  }

  async renew(namespace: string, key: string, token: string, lease: number): Promise<boolean> {
    const row = this.claimed(namespace, key, token);
    if (row !== undefined) this.put(namespace, key, { ...row, claim: { ...row.claim!, until: this.clock.now() + lease } });
    return row !== undefined;
  }

  async keep(namespace: string, key: string, { token }: Claim, entry: StoredEntry): Promise<boolean> {
    const row = this.claimed(namespace, key, token);
    if (row !== undefined) this.put(namespace, key, { entry: this.timed(entry), claim: undefined });
    return row !== undefined;
  }

  async giveUp(namespace: string, key: string, token: string, mark?: ClaimMark): Promise<void> {
    const row = this.claimed(namespace, key, token);
    if (row === undefined) return;
    const claim = mark && { state: mark.state, token, message: mark.message, until: this.clock.now() + mark.ttl, tags: [] };
    this.put(namespace, key, { entry: row.entry, claim });
  }

  async delete(namespace: string, keys: readonly string[]): Promise<number> {
    return this.drop(namespace, keys);
  }

  async expire(namespace: string, key: string): Promise<boolean> {
    const now = this.clock.now();
    const entry = this.spaces.get(namespace)?.get(key)?.entry;
    const wasFresh = entry !== undefined && entry.freshUntil > now;
    const stale = wasFresh ? { ...entry, freshUntil: now, expiresAt: now + entry.expiresAt - entry.freshUntil } : entry;
    if (this.spaces.get(namespace)?.has(key) === true) this.put(namespace, key, { entry: stale, claim: undefined });
    return wasFresh;
  }

  async deleteByTags(namespace: string, tags: readonly string[]): Promise<number> {
    return this.drop(
      namespace,
      this.keys(namespace, (_key, { entry, claim }) => [...(entry?.tags ?? []), ...(claim?.tags ?? [])].some((tag) => tags.includes(tag))),
    );
  }

  async deletePrefix(namespace: string, prefix: string): Promise<number> {
    return this.drop(
      namespace,
      this.keys(namespace, (key) => key.startsWith(prefix)),
    );
  }

  async entries(namespace: string, { after, limit }: KeyPage): Promise<[key: string, entry: FoundEntry][]> {
    const now = this.clock.now();
    const keys = this.keys(
      namespace,
      (key, { entry }) => entry !== undefined && entry.freshUntil > now && (after === undefined || compareBytes(key, after) > 0),
    );
    const page = keys.sort(compareBytes).slice(0, limit);
    return page.map((key) => [key, this.found(this.spaces.get(namespace)!.get(key)!)!]);
  }

  withManager(): JoinedStore {
    return this;
  }

  async announce(_eviction: Eviction, ended: (committed: boolean) => void): Promise<void> {
    if (this.transaction === undefined) ended(true);
    else this.atEnd.push(ended);
  }

  /** The same entries; what is done to them is undone if the work throws. */
  async inTransaction<R>(work: (store: JoinedStore) => Promise<R>): Promise<R> {
    const transaction = new MemoryTransaction(this.transaction);
    const store = new MemoryCacheStore(this.clock, this.spaces, transaction);
    let committed = false;
    try {
      const result = await transaction.run(() => work(store));
      committed = true;
      return result;
    } finally {
      for (const ended of store.atEnd) ended(committed);
    }
  }

  /** Removes what is over; gives how many entries. */
  sweep(): number {
    const now = this.clock.now();
    let swept = 0;
    for (const [namespace, space] of this.spaces) {
      for (const [key, { entry, claim }] of space) {
        if ((entry?.expiresAt ?? 0) > now || (claim?.until ?? 0) > now) continue;
        if (entry !== undefined) swept++;
        this.put(namespace, key, undefined);
      }
    }
    return swept;
  }

  private found({ entry, claim }: MemoryCacheRow): FoundEntry | undefined {
    const now = this.clock.now();
    const isLive = entry !== undefined && entry.expiresAt > now;
    const isClaimed = claim !== undefined && claim.until > now;
    if (!isLive && !isClaimed) return undefined;
    return {
      payload: isLive ? entry.payload : undefined,
      left: isLive ? entry.freshUntil - now : 0,
      life: isLive ? entry.freshUntil - entry.at : 0,
      graceLeft: isLive ? entry.expiresAt - now : 0,
      tags: entry?.tags ?? [],
      claim: isClaimed
        ? { state: claim.state, owner: claim.token.slice(0, ownerLength), message: claim.message, left: claim.until - now }
        : undefined,
    };
  }

  private timed(entry: StoredEntry): MemoryCacheRow['entry'] {
    const at = this.clock.now();
    const freshUntil = at + entry.ttl;
    // Bytes may be changed by who gave them.
    const payload = typeof entry.payload === 'string' ? entry.payload : Buffer.from(entry.payload);
    return { ...entry, payload, at, freshUntil, expiresAt: freshUntil + entry.grace };
  }

  private claimed(namespace: string, key: string, token: string): MemoryCacheRow | undefined {
    const row = this.spaces.get(namespace)?.get(key);
    return row?.claim?.state === 'running' && row.claim.token === token ? row : undefined;
  }

  private keys(namespace: string, holds: (key: string, row: MemoryCacheRow) => boolean): string[] {
    this.transaction?.check();
    return [...(this.spaces.get(namespace) ?? [])].filter(([key, row]) => holds(key, row)).map(([key]) => key);
  }

  private drop(namespace: string, keys: readonly string[]): number {
    this.transaction?.check();
    const now = this.clock.now();
    let dropped = 0;
    for (const key of keys) {
      const row = this.spaces.get(namespace)?.get(key);
      if (row === undefined) continue;
      if ((row.entry?.expiresAt ?? 0) > now) dropped++;
      this.put(namespace, key, undefined);
    }
    return dropped;
  }

  private put(namespace: string, key: string, row: MemoryCacheRow | undefined): void {
    this.transaction?.check();
    let space = this.spaces.get(namespace);
    if (space === undefined) this.spaces.set(namespace, (space = new Map()));
    const before = space.get(key);
    this.transaction?.changing(`${namespace}\0${key}`, () => replace(space, key, before));
    replace(space, key, row);
  }
}

// As in the claim of the table: who gave nothing to keep holds nobody up, and who failed may try again.
function isFree(claim: MemoryCacheRow['claim'] & object, token: string): boolean {
  return claim.state === 'nothing' || (claim.state === 'failed' && claim.token.slice(0, ownerLength) === token.slice(0, ownerLength));
}

function replace(space: Map<string, MemoryCacheRow>, key: string, row: MemoryCacheRow | undefined): void {
  if (row === undefined) space.delete(key);
  else space.set(key, row);
}
