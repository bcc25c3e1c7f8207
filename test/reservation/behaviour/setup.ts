import { onTestFinished } from 'vitest';
import type { PersistPg } from '../../../lib/persist-pg';
import type { PersistPgModuleOptions } from '../../../lib/persist-pg.options';
import type { Reservation, Reservations } from '../../../lib/reservation/reservations';

/** Reservations, of which there are none yet, and an instance with a DataSource of the app around them. */
export interface ReservationsUnderTest {
  readonly persist: PersistPg;
  readonly reservations: Reservations;
  /** Moves time on, or moves what expires back; milliseconds. */
  age(by: number): Promise<void> | void;
  /** The time there. */
  now(): number;
  close?(): Promise<void> | void;
}

/** Makes them for a test, with the options of the module that concern them. */
export type MakeReservations = (
  options?: Pick<PersistPgModuleOptions, 'reservation' | 'instrumentation'>,
) => Promise<ReservationsUnderTest> | ReservationsUnderTest;

/** Makes them, to be closed with the test. */
export async function open(make: MakeReservations, ...options: Parameters<MakeReservations>): Promise<ReservationsUnderTest> {
  const made = await make(...options);
  onTestFinished(() => made.close?.());
  return made;
}

export const minute = 60_000;
export const hour = 60 * minute;

/** Time left of what an owner holds, in whole minutes, by value. */
export async function minutesLeft(
  reservations: Reservations,
  owner: string,
  now = Date.now(),
): Promise<Record<string, number | 'for good'>> {
  const all = await reservations.listByOwner(owner);
  const left = ({ expiresAt }: Reservation) => (expiresAt === undefined ? 'for good' : Math.round((expiresAt.getTime() - now) / minute));
  return Object.fromEntries(all.map((each) => [each.value, left(each)]));
}
