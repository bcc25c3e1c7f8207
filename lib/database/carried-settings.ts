import type { Durability } from '../persist-pg.options';
import type { InlineSettings } from './lanes';

/** Settings a write carries inside itself, by `set_config(.., true)`: they end with the statement. */
export interface CarriedSettings {
  /** `async` need not wait for the disk; `durable` must, where the session's own setting is not ours. */
  readonly commit: 'durable' | 'async' | undefined;
  /** Milliseconds, behind a transaction pooler. */
  readonly lockTimeout: number | undefined;
}

export const nothingCarried: CarriedSettings = { commit: undefined, lockTimeout: undefined };

/** What a write to a table of this durability must carry itself on a port with these settings. */
export function settingsToCarry(inline: InlineSettings, durability: Durability): CarriedSettings {
  const { lockTimeout } = inline;
  if (inline.commit === 'transaction') return nothingCarried;
  if (durability === 'async') return { commit: 'async', lockTimeout };
  return { commit: inline.commit === 'statement' && durability === 'durable' ? 'durable' : undefined, lockTimeout };
}

const commitSettings = {
  async: `'off'`,
  // `remote_apply` is stronger than `on` and stays.
  durable: `case current_setting('synchronous_commit') when 'remote_apply' then 'remote_apply' else 'on' end`,
};

/** The expression, with the settings as its effect; they must be evaluated, so it must be one that is read. */
export function carrying(carried: CarriedSettings, expression: string): string {
  const settings: string[] = [];
  if (carried.commit !== undefined) settings.push(`set_config('synchronous_commit', ${commitSettings[carried.commit]}, true)`);
  if (carried.lockTimeout !== undefined) settings.push(`set_config('lock_timeout', '${carried.lockTimeout}', true)`);
  return settings.length === 0
    ? expression
    : `case when ${settings.map((setting) => `${setting} is not null`).join(' and ')} then ${expression} end`;
}

/** The same for what is looked up in an index, where no volatile expression may stand: a subselect is evaluated once, before the scan. */
export function carryingOnce(carried: CarriedSettings, expression: string): string {
  const carrier = carrying(carried, expression);
  return carrier === expression ? expression : `(select ${carrier})`;
}
