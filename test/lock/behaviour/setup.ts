import { onTestFinished } from 'vitest';
import type { LockService } from '../../../lib/lock/lock-service';
import type { PersistPg } from '../../../lib/persist-pg';

/** Locks of which none is held. */
export interface LocksUnderTest {
  readonly persist: PersistPg;
  readonly locks: LockService;
  /** Moves time on for what does not renew itself, or its end back; milliseconds. */
  age(by: number): Promise<void> | void;
  /** What was counted, by event. */
  counted(event: string): number;
  /** Called after the test. */
  close?(): Promise<void> | void;
}

/** Makes them for a test. */
export type MakeLocks = () => Promise<LocksUnderTest> | LocksUnderTest;

/** Makes them, closed with the test. */
export async function open(makeLocks: MakeLocks): Promise<LocksUnderTest> {
  const made = await makeLocks();
  onTestFinished(() => made.close?.());
  return made;
}

/** Counts events of locks. */
export class LockEvents {
  private readonly events = new Map<string, number>();

  readonly instrumentation = {
    count: (name: string, by: number, labels?: Readonly<Record<string, string>>): void => {
      if (name === 'persistpg_locks_total') this.events.set(labels!['event']!, this.of(labels!['event']!) + by);
    },
    gauge: (): void => {},
    record: (): void => {},
  };

  of(event: string): number {
    return this.events.get(event) ?? 0;
  }
}
