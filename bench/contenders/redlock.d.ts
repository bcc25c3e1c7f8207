/** What is used of redlock, which has no types of its own. */
declare module 'redlock' {
  interface RedlockLock {
    unlock(): PromiseLike<void>;
  }

  class Redlock {
    constructor(clients: readonly object[], options: { retryCount?: number });
    lock(resource: string, ttl: number): PromiseLike<RedlockLock>;
  }

  export = Redlock;
}
