import { noInstrumentation } from '../../lib/instrumentation';
import type { PersistPg } from '../../lib/persist-pg';
import { ReservationService } from '../../lib/reservation/reservation-service';
import { MemoryClock } from '../../lib/testing/memory-clock';
import { createMemoryPersistPg } from '../../lib/testing/memory-persist-pg';
import { MemoryReservationStore } from '../../lib/testing/memory-reservation-store';
import type { MakeReservations, ReservationsUnderTest } from './behaviour/setup';

/** Reservations in memory, as users have them. */
export const inMemory: MakeReservations = (options) => {
  const persist = createMemoryPersistPg(options);
  let ahead = 0;
  const age = (by: number): void => {
    ahead += by;
    persist.advance(by);
  };
  return { persist, reservations: persist.reservations, age, now: () => Date.now() + ahead, close: () => persist.close() };
};

/** The same over any store, and with nothing else around them. */
export function overStore(Store: typeof MemoryReservationStore = MemoryReservationStore): ReservationsUnderTest {
  const clock = new MemoryClock();
  const store = new Store(clock);
  const reservations = new ReservationService(store, { normalize: new Map(), instrumentation: noInstrumentation });
  const persist = {
    transaction: (work: (tx: object) => Promise<unknown>) =>
      store.inTransaction((inside) => work({ reservations: reservations.over(inside) })),
    sweeper: { sweep: async () => ({ reservation: store.sweep() }) },
  };
  return { persist: persist as unknown as PersistPg, reservations, age: (by) => clock.advance(by), now: () => clock.now() };
}
