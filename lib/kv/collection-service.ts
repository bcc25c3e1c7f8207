import type { KeyFilter } from '../key-filter';
import type { TransactionManager } from '../database/transaction-manager';
import type { Duration } from '../duration';
import { InvalidArgumentError, InvalidValueError, KeyNotFoundError } from '../persist-pg.errors';
import type { Collection } from './collection';
import type { ResolvedDefinition } from './collection-definition';
import { CollectionSchema } from './collection-schema';
import type { CompareAndSetResult, ExpiryOptions, KvEntry, SetOptions } from './kv-options';
import type { KvService } from './kv-service';
import { readEntries } from './mset-entries';

type Expiry = Duration | ExpiryOptions;

/**
 * `Collection` over the service of its namespace. What is written is validated and kept as given, what is read is
 * validated again. A value that does not fit is never written.
 */
export class CollectionService<Out, In = Out> implements Collection<Out, In> {
  private readonly schema: CollectionSchema<Out>;

  constructor(
    private readonly kv: KvService<any>,
    private readonly definition: ResolvedDefinition,
  ) {
    this.schema = new CollectionSchema(definition);
  }

  get name(): string {
    return this.kv.namespaceName;
  }

  get(id: string): Promise<Out | undefined> {
    if (!this.schema.given) return this.kv.get(id);
    return this.inOrder([id], () => this.kv.get(id)).then((value) => this.readable(id, value));
  }

  async getOrThrow(id: string): Promise<Out> {
    const value = await this.get(id);
    if (value === undefined) throw new KeyNotFoundError(id);
    return value;
  }

  async getEntry(id: string): Promise<KvEntry<Out> | undefined> {
    const entry = await this.inOrder([id], () => this.kv.getEntry(id));
    if (entry === undefined) return undefined;
    const result = await this.schema.read(entry.value);
    if (!result.issues) return { ...entry, value: result.value };
    if (this.schema.deletes) await this.kv.deleteVersion(id, entry.version);
    return this.schema.misfit(id, result.issues);
  }

  async mget(...ids: readonly string[] | [readonly string[]]): Promise<(Out | undefined)[]> {
    const keys = (ids.length === 1 && Array.isArray(ids[0]) ? ids[0] : ids) as readonly string[];
    const values = await this.inOrder(keys, () => this.kv.mget(keys));
    return Promise.all(values.map((value, i) => this.readable(keys[i]!, value)));
  }

  has(id: string): Promise<boolean> {
    return this.inOrder([id], () => this.kv.has(id));
  }

  set(id: string, value: In, options?: Duration | SetOptions): Promise<boolean> {
    return this.write([[id, value]], ([checked]) => this.kv.set(id, checked, options));
  }

  setnx(id: string, value: In, options?: Expiry): Promise<boolean> {
    return this.write([[id, value]], ([checked]) => this.kv.setnx(id, checked, options));
  }

  async mset(entries: Readonly<Record<string, In>> | Iterable<readonly [id: string, value: In]>, options?: Expiry): Promise<number> {
    const given = [...readEntries(entries)] as (readonly [id: string, value: unknown, options?: Expiry])[];
    return this.write(given, (values) => {
      const checked = given.map(([id, , own], i): readonly [string, unknown, Expiry?] =>
        own === undefined ? [id, values[i]] : [id, values[i], own],
      );
      return this.kv.mset(checked, options);
    });
  }

  /** As `update` of the service; a result that could not be read back is not written. */
  async update(
    id: string,
    change: (current: Out | undefined) => In | undefined | Promise<In | undefined>,
    options?: Expiry,
  ): Promise<Out | undefined> {
    if (typeof change !== 'function') throw new InvalidArgumentError('change', 'must be a function');
    if (!this.schema.given) return this.kv.update<any>(id, change, options);
    return this.rewrite(id, async (value) => change(await this.former(id, value)), options);
  }

  async merge(id: string, patch: Partial<In>): Promise<Out | undefined> {
    if (!this.schema.given) return this.kv.merge(id, patch as object);
    if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) throw new InvalidArgumentError('patch', 'must be an object');
    const fields = Object.entries(patch).filter(([, value]) => value !== undefined);
    return this.rewrite(id, (value) => {
      if (value === undefined) return undefined;
      if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) {
        throw new InvalidValueError(id, [{ message: 'is not an object' }]);
      }
      return { ...value, ...Object.fromEntries(fields) } as In;
    });
  }

  delete(...ids: string[]): Promise<number> {
    return this.inOrder(ids, () => this.kv.delete(...ids));
  }

  /** Writes even if the value before does not fit; then, with `throw`, rejects nonetheless. */
  async getAndSet(id: string, value: In, options?: Expiry): Promise<Out | undefined> {
    return this.former(id, await this.write([[id, value]], ([checked]) => this.kv.getAndSet(id, checked, options)));
  }

  /** Deletes even if the value does not fit; then, with `throw`, rejects nonetheless. */
  async getAndDelete(id: string): Promise<Out | undefined> {
    return this.former(id, await this.inOrder([id], () => this.kv.getAndDelete(id)));
  }

  async compareAndSet(id: string, expected: In | undefined, next: In, options?: Expiry): Promise<CompareAndSetResult<Out>> {
    const wanted = expected === undefined ? undefined : this.kv.asKept(id, expected);
    const result = await this.write([[id, next]], ([checked]) => this.kv.compareAndSet(id, wanted, checked, options));
    return result.ok ? result : { ok: false, current: await this.readable(id, result.current) };
  }

  expire(id: string, ttl: Duration): Promise<boolean> {
    return this.inOrder([id], () => this.kv.expire(id, ttl));
  }

  ttl(id: string): Promise<number> {
    return this.inOrder([id], () => this.kv.ttl(id));
  }

  async find(field: string, value: string | number | boolean | null): Promise<string[]> {
    await this.kv.validations.settled();
    return this.kv.findHere(field, value);
  }

  async *keys(filter?: string | KeyFilter): AsyncIterable<string> {
    await this.kv.validations.settled();
    yield* this.kv.keys(filter);
  }

  /** Entries that do not fit are left out, unless they are to throw. */
  async *entries(filter?: string | KeyFilter): AsyncIterable<[id: string, value: Out]> {
    await this.kv.validations.settled();
    for await (const [id, value] of this.kv.entries(filter)) {
      const out = await this.readable(id, value);
      if (out !== undefined) yield [id, out];
    }
  }

  async count(filter?: string | KeyFilter): Promise<number> {
    await this.kv.validations.settled();
    return this.kv.count(filter);
  }

  async clear(): Promise<number> {
    await this.kv.validations.settled();
    return this.kv.clear();
  }

  withManager(manager: TransactionManager): Collection<Out, In> {
    return new CollectionService(this.kv.withManager(manager), this.definition);
  }

  detached(): Collection<Out, In> {
    return new CollectionService(this.kv.detached(), this.definition);
  }

  private write<R>(
    entries: readonly (readonly [id: string, value: unknown, ...rest: unknown[]])[],
    send: (values: unknown[]) => Promise<R>,
  ): Promise<R> {
    const values = entries.map(([, value]) => value);
    if (!this.schema.given) return send(values);
    const validations: Promise<void>[] = [];
    entries.forEach(([id, value], i) => {
      try {
        const validation = this.schema.accept(id, value);
        if (validation === undefined) return;
        validations.push(validation);
        // The caller may go on with the object meanwhile: what counts is what it was when it was handed in.
        values[i] = this.kv.asKept(id, value);
      } catch (error) {
        validations.push(Promise.reject(error as Error));
      }
    });
    const ids = entries.map(([id]) => id);
    return this.inOrder(ids, () => send(values), validations.length === 0 ? undefined : Promise.all(validations));
  }

  private rewrite(
    id: string,
    change: (value: unknown) => In | undefined | Promise<In | undefined>,
    options?: Expiry,
  ): Promise<Out | undefined> {
    return this.inOrder([id], async () => {
      let out: Out | undefined;
      const written = await this.kv.update(
        id,
        async (value: unknown) => {
          const next = await change(value);
          if (next === undefined) return undefined;
          await this.schema.accept(id, next);
          const result = await this.schema.read(this.kv.asKept(id, next));
          if (result.issues) throw new InvalidValueError(id, result.issues);
          out = result.value;
          return next;
        },
        options,
      );
      return written === undefined ? undefined : out;
    });
  }

  /** What is there now, for the caller. */
  private async readable(id: string, value: unknown): Promise<Out | undefined> {
    if (value === undefined || !this.schema.given) return value as Out | undefined;
    const result = await this.schema.read(value);
    if (!result.issues) return result.value;
    if (this.schema.deletes) await this.discardMisfit(id);
    return this.schema.misfit(id, result.issues);
  }

  /** What was there before a write or is about to be replaced. */
  private async former(id: string, value: unknown): Promise<Out | undefined> {
    if (value === undefined || !this.schema.given) return value as Out | undefined;
    const result = await this.schema.read(value);
    return result.issues ? this.schema.misfit(id, result.issues) : result.value;
  }

  // Looks again, because by now another may have written a value that fits.
  private async discardMisfit(id: string): Promise<void> {
    const entry = await this.kv.getEntry(id);
    if (entry !== undefined && (await this.schema.read(entry.value)).issues) await this.kv.deleteVersion(id, entry.version);
  }

  private inOrder<R>(ids: readonly string[], send: () => Promise<R>, validation?: Promise<unknown>): Promise<R> {
    const names = ids.map((id) => (typeof id === 'string' ? `${this.name}\0${id}` : ''));
    return this.kv.validations.send(names, validation, send);
  }
}
