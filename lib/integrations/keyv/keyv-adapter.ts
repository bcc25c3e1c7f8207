import type { FoundEntry, Payload } from '../../cache/cache-store';
import type { KeptEntries } from '../../cache/kept-entries';
import { fromJson, toJson } from './keyv-json';

/** A value as Keyv hands it to a store that serializes for itself. */
export interface Wrapped {
  readonly value?: unknown;
  /** When it ends, in milliseconds of this process's clock. */
  readonly expires?: number | undefined;
}

/** What Keyv calls a namespace that nobody has named. */
export const defaultNamespace = 'keyv';

/** What is said to last for ever lasts for this long. */
const century = 100 * 365.25 * 24 * 3_600_000;

/**
 * Stands between one Keyv and the entries of one namespace. It has the contract of Keyv 5, which Keyv 6 bridges: times
 * to live are relative, and the namespace is ours to keep, not a prefix of keys.
 */
export class KeyvAdapter {
  /** Keyv offers `iterator()` only over stores of names that it knows. */
  readonly opts = { dialect: 'postgres', url: 'postgres://' };
  private kept: KeptEntries | undefined;
  private name: string | undefined;

  constructor(
    private readonly inside: (namespace: string) => KeptEntries,
    private readonly end: () => Promise<void>,
  ) {}

  /** Set by Keyv. */
  get namespace(): string | undefined {
    return this.name;
  }

  set namespace(name: string | undefined) {
    this.name = name;
    this.kept = undefined;
  }

  get(key: string): Promise<Wrapped | string | undefined> {
    return this.entries.findOne(key, unwrappedIfAny);
  }

  async getMany(keys: readonly string[]): Promise<(Wrapped | string | undefined)[]> {
    return (await this.entries.find(keys)).map((found) => found && unwrapped(found));
  }

  set(key: string, given: Wrapped | string, ttl?: number): Promise<boolean> {
    return this.entries.put(key, payloadOf(given), ttl ?? century);
  }

  setMany(entries: readonly { readonly key: string; readonly value: Wrapped | string; readonly ttl?: number }[]): Promise<boolean[]> {
    return Promise.all(entries.map(({ key, value, ttl }) => this.set(key, value, ttl)));
  }

  has(key: string): Promise<boolean> {
    return this.entries.findOne(key, (found) => found !== undefined);
  }

  async hasMany(keys: readonly string[]): Promise<boolean[]> {
    return (await this.entries.find(keys)).map((found) => found !== undefined);
  }

  delete(key: string): Promise<boolean> {
    return this.deleteMany([key]);
  }

  async deleteMany(keys: readonly string[]): Promise<boolean> {
    return (await this.entries.delete(keys)) > 0;
  }

  clear(): Promise<void> {
    return this.entries.clear();
  }

  async *iterator(): AsyncGenerator<[key: string, value: Wrapped | string]> {
    for await (const [key, found] of this.entries.all()) yield [key, unwrapped(found)];
  }

  disconnect(): Promise<void> {
    return this.end();
  }

  private get entries(): KeptEntries {
    return (this.kept ??= this.inside(this.name ?? defaultNamespace));
  }
}

// JSON never begins so: the text is of a serializer that was set on the Keyv later, and holds what that one needs.
const foreign = ' ';

function payloadOf(given: Wrapped | string): Payload {
  if (typeof given === 'string') return foreign + given;
  return given.value instanceof Uint8Array ? Buffer.from(given.value) : toJson(given.value);
}

function unwrapped({ payload, left }: FoundEntry): Wrapped | string {
  if (typeof payload === 'string' && payload.startsWith(foreign)) return payload.slice(foreign.length);
  const value = typeof payload === 'string' ? fromJson(payload) : payload;
  return { value, expires: left > century / 2 ? undefined : steadyNow() + left };
}

function unwrappedIfAny(found: FoundEntry | undefined): Wrapped | string | undefined {
  return found && unwrapped(found);
}

let since = -Infinity;
let offset = 0;

// Keyv compares `expires` with the app's clock, although it is the database's that has decided already: a clock that is
// wrong must be wrong in both. Looked at every ten seconds, so that a value ends in between when it was to end.
function steadyNow(): number {
  const now = performance.now();
  if (now - since > 10_000) {
    offset = Date.now() - now;
    since = now;
  }
  return now + offset;
}
