/** What a session of ours is set to once it has connected; the times in milliseconds. */
export function sessionSettings(applicationName: string, lockTimeout: number, statementTimeout: number): Record<string, string> {
  return {
    application_name: applicationName,
    statement_timeout: String(statementTimeout),
    lock_timeout: String(lockTimeout),
    default_transaction_isolation: 'read committed',
    // What values are printed as must not depend on the role.
    bytea_output: 'hex',
    extra_float_digits: '1',
    jit: 'off',
  };
}
