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

// A durable write never relies on the server's default; `remote_apply` is stronger than `on` and stays.
const durableCommit = `set_config('synchronous_commit', case current_setting('synchronous_commit') when 'remote_apply' then 'remote_apply' else 'on' end, false)`;

/** Sets them for as long as the session is open. */
export function settingStatement(settings: Readonly<Record<string, string>>): { readonly text: string; readonly values: string[] } {
  const calls = Object.keys(settings).map((_, i) => `set_config($${2 * i + 1}, $${2 * i + 2}, false)`);
  return { text: `select ${calls.join(', ')}, ${durableCommit}`, values: Object.entries(settings).flat() };
}
