import { Client } from 'pg';
import { onTestFinished } from 'vitest';
import type { NoticeListener, Notices } from '../../lib/database/notices';

/** Remembers what it hears. */
export class Ear implements NoticeListener {
  readonly heard: string[] = [];
  readonly own: string[] = [];
  missedTimes = 0;

  items(items: readonly string[], own: boolean): void {
    this.heard.push(...items);
    if (own) this.own.push(...items);
  }

  missed(): void {
    this.missedTimes++;
  }
}

/** Payloads as PostgreSQL delivers them, to someone who is none of us; `upToNow()` resolves when all that has committed is there. */
export async function overhear(url: string, { channel }: Notices): Promise<{ payloads: string[]; upToNow(): Promise<void> }> {
  const client = new Client(url);
  const payloads: string[] = [];
  client.on('notification', ({ payload }) => payloads.push(payload ?? ''));
  await client.connect();
  await client.query(`listen "${channel}"`);
  onTestFinished(() => client.end());
  // PostgreSQL delivers before it answers.
  return { payloads, upToNow: async () => void (await client.query('select 1')) };
}
