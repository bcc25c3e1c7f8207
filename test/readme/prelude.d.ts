// What the snippets of the README may use without saying where it comes from.
import type { Collection, Duration, Kv, Lock, LockService, PersistPg, RateLimiter, RateLimitRule, Sessions } from 'nestjs-persistpg';
import type { DataSource, EntityManager } from 'typeorm';

declare global {
  const kv: Kv;
  const persist: PersistPg;
  const locks: LockService;
  const limiter: RateLimiter;
  const sessions: Sessions;
  const dataSource: DataSource;

  // In the tables.
  const users: Collection<{ email: string }>;
  const user: { email: string };
  const Users: import('nestjs-persistpg').CollectionDefinition<{ email: string }>;
  const url: string;
  const name: string;
  const id: string;
  const ids: string[];
  const key: string;
  const keys: string[];
  const value: unknown;
  const other: unknown;
  const record: Record<string, unknown>;
  const buffer: Buffer;
  const seconds: number;
  const amount: number;
  const date: Date;
  const pattern: string;
  const needle: string;
  const term: string;
  const after: string;
  const limit: number;
  const error: unknown;
  const change: (current: unknown) => unknown;
  const ttl: Duration;
  const lock: Lock;
  const work: () => Promise<void>;
  const manager: EntityManager;
  const rule: RateLimitRule;

  /** What `forRoot()` is given where a snippet is run. */
  const patient: import('nestjs-persistpg').PersistPgModuleOptions;
  /** What `// =>` becomes. */
  function check<T>(actual: T, expected: unknown): T;
  /** What `// throws` becomes. */
  function checkThrows(call: () => Promise<unknown>, name: string): Promise<void>;
}
