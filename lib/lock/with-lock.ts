import { Logger } from '@nestjs/common';
import { readOptions } from '../argument-checks';
import type { AsyncMethodDecorator, SkippableMethodDecorator } from '../decorators/async-method';
import { decorateMethod, type MethodCall } from '../decorators/decorated-method';
import type { Duration } from '../duration';
import { placeOf, textOf, type MethodArgument } from '../decorators/method-argument';
import { oneOf, text } from '../option-checks';
import { isPersistPgError } from '../error-checks';
import { InvalidArgumentError, NoTransactionError } from '../persist-pg.errors';
import type { LockOptions } from './lock';
import { LockOptionReader } from './lock-options';

/** Options of `@WithLock()`. */
export interface WithLockOptions extends LockOptions {
  /** Longest wait for the lock; default 0. */
  wait?: Duration;
  /** Keep the lock at least so long, so that a short job does not run again on a machine whose clock is late. */
  atLeast?: Duration;
  /** `lease` (default) holds no connection; `transaction` is an advisory lock of the ambient transaction of `resolveManager`, and throws `NoTransactionError` outside one. */
  mode?: 'lease' | 'transaction';
  /** Instance name. */
  instance?: string;
}

const logger = new Logger('PersistPg');

const leaseOptions = ['ttl', 'autoRenew', 'owner', 'description', 'atLeast'] as const;

/**
 * Runs an async method under a lock; a call that finds it held throws `LockTimeoutError` (HTTP 409).
 *
 * @example @Post(':id/pay') @WithLock((id: string) => `order:${id}`, { onBusy: 'throw' }) async pay(@Param('id') id: string): Promise<Receipt> {}
 */
export function WithLock<A extends any[] = any[]>(
  name: string | ((...args: A) => string),
  options: WithLockOptions & { onBusy: 'throw' },
): AsyncMethodDecorator<A>;
/**
 * Runs an async method under a lock; a call that finds it held is skipped and resolves to `undefined`, is logged at debug level and counted.
 *
 * @example @Cron('0 3 * * *') @WithLock('reports', { ttl: '10m', atLeast: '1m' }) async nightly(): Promise<void> {}
 */
export function WithLock<A extends any[] = any[]>(
  name: string | ((...args: A) => string),
  options?: WithLockOptions & { onBusy?: 'skip' },
): SkippableMethodDecorator<A>;
export function WithLock(
  name: MethodArgument<string>,
  options?: WithLockOptions & { onBusy?: 'skip' | 'throw' },
): AsyncMethodDecorator<any> {
  if (typeof name !== 'function' && (typeof name !== 'string' || name === '')) {
    throw new InvalidArgumentError('name', 'must be a text that is not empty, or a function of the arguments');
  }
  const { wait, skips, inTransaction, instance, lease } = readWithLockOptions(options);
  return decorateMethod({
    decorator: '@WithLock()',
    instance,
    skips,
    async around(persist, call) {
      const lockName = textOf('name', name, call);
      let entered = false;
      const work = (): Promise<unknown> => {
        entered = true;
        return call.run();
      };
      try {
        if (!inTransaction) return await persist.locks.withLock(lockName, { ...lease, wait }, work);
        const ambient = persist.ambient();
        if (ambient === undefined) throw noTransaction(call);
        await ambient.locks.acquire(lockName, { wait });
        return await work();
      } catch (error) {
        // The method itself may wait for locks in vain: that is no reason to say that it was skipped.
        if (entered || !skips || !isPersistPgError(error, 'LOCK_TIMEOUT')) throw error;
        const holder = error.heldBy?.description ?? error.heldBy?.owner;
        logger.debug(`${placeOf(call)} is skipped: ${error.message}${holder ? ` (${holder})` : ''}`);
        persist.instrumentation.count('persistpg_locks_total', 1, { event: 'skipped' });
        return undefined;
      }
    },
  });
}

interface ReadOptions {
  readonly wait: Duration;
  readonly skips: boolean;
  readonly inTransaction: boolean;
  readonly instance: string | undefined;
  readonly lease: LockOptions & { atLeast?: Duration };
}

// What is wrong is told when the class is made, not at three in the morning.
const checks = new LockOptionReader({ durability: 'durable', ttl: 30_000, wait: 0 });

function readWithLockOptions(options: (WithLockOptions & { onBusy?: 'skip' | 'throw' }) | undefined): ReadOptions {
  const { wait = 0, onBusy = 'skip', mode = 'lease', instance, ...lease } = options ?? {};
  readOptions(options, ['wait', 'onBusy', 'mode', 'instance', ...leaseOptions]);
  checks.work({ ...lease, wait });
  const inTransaction = oneOf('mode', mode, ['lease', 'transaction']) === 'transaction';
  const meaningless = inTransaction && leaseOptions.find((option) => lease[option] !== undefined);
  if (meaningless) {
    throw new InvalidArgumentError(meaningless, `means nothing with mode 'transaction', where the lock lasts until the transaction ends`);
  }
  return {
    wait,
    skips: oneOf('onBusy', onBusy, ['skip', 'throw']) === 'skip',
    inTransaction,
    instance: text('instance', instance),
    lease,
  };
}

function noTransaction(call: MethodCall): NoTransactionError {
  return new NoTransactionError(
    `${placeOf(call)} takes its lock in the ambient transaction, and there is none: give forRoot() its resolveManager, ` +
      `and open the transaction further out (@Transactional() stands above @WithLock())`,
  );
}
