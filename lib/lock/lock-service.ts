import type { TransactionManager } from '../database/transaction-manager';
import type { Duration } from '../duration';
import type { KeyFilter } from '../key-filter';
import type { AcquireOptions, HeldLock, Lock, LockOptions } from './lock';

/**
 * Locks as leases in the database; no connection is held. What is held is renewed while the process lives, and free when its holder is
 * gone and the lease is over. Calls that cannot be done reject: nothing that is unclear is a lock.
 */
export abstract class LockService {
  /** Takes the lock, or gives `undefined` at once if another holds it. (If the lease is over and its last holder's guarded transaction still open, it waits for that, at most `timeout`.) */
  abstract tryAcquire(name: string, options?: LockOptions): Promise<Lock | undefined>;
  /**
   * Takes the lock, waiting for it behind those who came before; rejects with `LockTimeoutError` after `wait`, with the reason of `signal`, or if the database cannot be asked.
   *
   * @example await using lock = await locks.acquire('invoice:7', { wait: '5s' });
   */
  abstract acquire(name: string, options?: AcquireOptions): Promise<Lock>;
  /**
   * Runs the work under the lock and releases it; `LockTimeoutError` if it was not to be had within `wait`. What the work comes to is the result, whatever becomes of the release.
   * Inside a call of the same name that has not settled it runs under that call's lock.
   *
   * @example await locks.withLock('ledger', { ttl: '30s' }, async (lock) => { lock.signal.throwIfAborted(); });
   */
  abstract withLock<R>(name: string, work: (lock: Lock) => R | Promise<R>): Promise<R>;
  abstract withLock<R>(name: string, options: AcquireOptions, work: (lock: Lock) => R | Promise<R>): Promise<R>;
  /** Runs the work if the lock is free and gives `{ ran: true, result }`, else skips it and gives `{ ran: false }`. */
  abstract tryWithLock<R>(name: string, work: (lock: Lock) => R | Promise<R>): Promise<{ ran: true; result: R } | { ran: false }>;
  abstract tryWithLock<R>(
    name: string,
    options: LockOptions,
    work: (lock: Lock) => R | Promise<R>,
  ): Promise<{ ran: true; result: R } | { ran: false }>;
  /** The lock this call runs under, by `@WithLock()` or `withLock`: the innermost, or the one of that name. */
  abstract current(name?: string): Lock | undefined;
  /** A lock that several may hold at once, 1 to 1 000. Where processes give different numbers, each looks at its own first ones. A lock of the same name is another thing. */
  abstract semaphore(name: string, options: { permits: number }): Semaphore;
  /** Locks and permits held now, by name; one that is only kept for a while after its release (`atLeast`) has the owner `''`. */
  abstract list(filter?: string | KeyFilter): Promise<HeldLock[]>;
  /** Takes a lock, and all permits of that name, away from whoever holds it; `false` if nobody did. Guards of the holder fail at once, its signal fires at its next renewal; transactions that it has guarded are still waited for. */
  abstract forceRelease(name: string): Promise<boolean>;
  /** Locks that last until the open transaction ends; they exclude each other, not the leases of the same name. */
  abstract withManager(manager: TransactionManager): TransactionLocks;
  /** Seed form: takes a lock without renewal and gives its owner token. Nothing but the lease or `lockRelease` ends it, also when the instance is closed. */
  abstract lockAcquire(key: string, ttl: Duration, owner?: string): Promise<string | undefined>;
  /** Seed form: prolongs the lock of an owner token. */
  abstract lockRenew(key: string, token: string, ttl: Duration): Promise<boolean>;
  /** Seed form: releases the lock of an owner token. */
  abstract lockRelease(key: string, token: string): Promise<boolean>;
}

/** Advisory locks of an open transaction: freed by its commit or rollback, so there is nothing to renew, release or lose. */
export interface TransactionLocks {
  /** Takes the lock if it is free; tells whether it did. */
  tryAcquire(name: string): Promise<boolean>;
  /** Takes the lock, waiting for it, default 10 s; `LockTimeoutError` after `wait`, with the transaction as it was before. */
  acquire(name: string, options?: { wait?: Duration }): Promise<void>;
}

/** A lock that several may hold at once. */
export interface Semaphore {
  /** Takes a permit, or gives `undefined` at once. An owner may hold several. */
  tryAcquire(options?: LockOptions): Promise<Lock | undefined>;
  /** Takes a permit, waiting for it. */
  acquire(options?: AcquireOptions): Promise<Lock>;
  /** Runs the work under a permit. */
  withPermit<R>(work: (lock: Lock) => R | Promise<R>, options?: AcquireOptions): Promise<R>;
}
