const key = 'hashtextextended($1, 7367)';

/** Statements of locks that end with the transaction. */
export const transactionLockSql = {
  /** Takes it if no other transaction has it; waits for nobody. */
  tryLock: { text: `select pg_try_advisory_xact_lock(${key})` },
  /** Takes it behind those who wait already; ends with 55P03 after `lock_timeout`, with 40P01 in a deadlock. */
  lock: { text: `select pg_advisory_xact_lock(${key})` },
  /** What a failure goes back to, settings included; a lock taken after it stays when it is released. */
  savepoint: { text: 'savepoint persistpg_lock' },
  rollback: { text: 'rollback to savepoint persistpg_lock' },
  release: { text: 'release savepoint persistpg_lock' },
  present: { text: `select current_setting('lock_timeout')` },
  set: { text: `select set_config('lock_timeout', $1, true)` },
};
