import type { Server } from '../servers';

/** How safely a contender's writes are kept. */
export type Durability = 'durable' | 'unlogged';

/** One way to keep entries. Each is used the way its own documentation shows; none gets a batch or a pipeline that the others lack. */
export interface Contender {
  readonly name: string;
  /** What a reader must know to judge its numbers: connections, tables, durability. */
  readonly about: string;
  /** Whose CPU time is counted. */
  readonly server: Server;
  get(key: string): Promise<unknown>;
  /** `ttl` in milliseconds. */
  set(key: string, value: unknown, ttl?: number): Promise<unknown>;
  mget(keys: readonly string[]): Promise<unknown[]>;
  mset(entries: readonly (readonly [key: string, value: unknown])[]): Promise<unknown>;
  incr?(key: string): Promise<number>;
  close(): Promise<unknown>;
}
