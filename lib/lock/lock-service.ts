import type { TransactionManager } from '../database/transaction-manager';
import type { Duration } from '../duration';
import type { KeyFilter } from '../key-filter';
import type { AcquireOptions, HeldLock, Lock, LockOptions } from './lock';

/** Locks as leases in the database; no connection is held. */
export abstract class LockService {
  /** Takes the lock, or gives `undefined` at once if another holds it. */
  abstract tryAcquire(name: string, options?: LockOptions): Promise<Lock | undefined>;
  /** Takes the lock, waiting for it. */
  abstract acquire(name: string, options?: AcquireOptions): Promise<Lock>;
  /** Runs the work under the lock and releases it; `LockTimeoutError` if it was not to be had within `wait`. */
  abstract withLock<R>(name: string, work: (lock: Lock) => R | Promise<R>): Promise<R>;
  abstract withLock<R>(name: string, options: AcquireOptions, work: (lock: Lock) => R | Promise<R>): Promise<R>;
  /** Runs the work if the lock is free, else skips it and says so. */
  abstract tryWithLock<R>(name: string, work: (lock: Lock) => R | Promise<R>): Promise<{ ran: true; result: R } | { ran: false }>;
  abstract tryWithLock<R>(
    name: string,
    options: LockOptions,
    work: (lock: Lock) => R | Promise<R>,
  ): Promise<{ ran: true; result: R } | { ran: false }>;
  /** The lock this call runs under, by `@WithLock()` or `withLock`: the innermost, or the one of that name. */
  abstract current(name?: string): Lock | undefined;
  /** A lock that several may hold at once. */
  abstract semaphore(name: string, options: { permits: number }): Semaphore;
  /** Locks held now. */
  abstract list(filter?: string | KeyFilter): Promise<HeldLock[]>;
  /** Takes a lock away from whoever holds it; `false` if nobody did. */
  abstract forceRelease(name: string): Promise<boolean>;
  /** Locks that last until the open transaction ends. */
  abstract withManager(manager: TransactionManager): TransactionLocks;
  /** Seed form: takes a lock without renewal and gives its owner token. */
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
  /** Takes the lock, waiting for it; `LockTimeoutError` after `wait`. */
  acquire(name: string, options?: { wait?: Duration }): Promise<void>;
}

/** A lock that several may hold at once. */
export interface Semaphore {
  /** Takes a permit, or gives `undefined` at once. */
  tryAcquire(options?: LockOptions): Promise<Lock | undefined>;
  /** Takes a permit, waiting for it. */
  acquire(options?: AcquireOptions): Promise<Lock>;
  /** Runs the work under a permit. */
  withPermit<R>(work: (lock: Lock) => R | Promise<R>, options?: AcquireOptions): Promise<R>;
}
