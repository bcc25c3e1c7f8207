import { carrying } from './carried-settings';

const notify = (payloads: string): string => `select pg_notify($1, payload) from unnest(${payloads}) as payload`;

export const noticesSql = {
  /** In force when it has committed: what commits later is received. */
  listen: (channel: string): string => `listen "${channel}"`,
  /** All payloads in one transaction, received in the order of commits; no waiting for the disk, as notices do not outlive a crash. */
  send: notify(carrying({ commit: 'async', lockTimeout: undefined }, '$2::text[]')),
  /** The same as part of a transaction: received once it has committed, else never. */
  join: notify('$2::text[]'),
};
