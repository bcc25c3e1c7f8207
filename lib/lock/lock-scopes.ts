import { AsyncLocalStorage } from 'node:async_hooks';
import type { Lease } from './lease';

interface Scope {
  readonly lease: Lease;
  readonly outer: Scope | undefined;
  /** Whether the work under it has settled: what it left running is under it no more. */
  settled: boolean;
}

/** Which lock a call runs under. */
export class LockScopes {
  private readonly storage = new AsyncLocalStorage<Scope>();
  private readonly open = new Map<Scope, Promise<void>>();

  /** The lock this call runs under: the innermost, or the one of that name. */
  current(name?: string): Lease | undefined {
    for (let scope = this.storage.getStore(); scope !== undefined; scope = scope.outer) {
      if (!scope.settled && (name === undefined || scope.lease.name === name)) return scope.lease;
    }
    return undefined;
  }

  /** Runs work under a lock. */
  async run<R>(lease: Lease, work: () => R | Promise<R>): Promise<R> {
    const scope: Scope = { lease, outer: this.storage.getStore(), settled: false };
    let settle!: () => void;
    this.open.set(scope, new Promise((resolve) => (settle = resolve)));
    try {
      return await this.storage.run(scope, work);
    } finally {
      scope.settled = true;
      this.open.delete(scope);
      settle();
    }
  }

  /** Resolves when all work under locks has settled, but for that which asks. */
  async settled(): Promise<void> {
    const own = new Set<Scope>();
    for (let scope = this.storage.getStore(); scope !== undefined; scope = scope.outer) own.add(scope);
    await Promise.all([...this.open].filter(([scope]) => !own.has(scope)).map(([, settled]) => settled));
  }
}
