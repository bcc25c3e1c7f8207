import { describe, expect, it } from 'vitest';
import type { ReservationKey } from '../../lib/reservation/reservation-key';
import { MemoryReservationStore } from '../../lib/testing/memory-reservation-store';
import { overStore } from './in-memory';
import { checkReservationsModel } from './reservations-model';

it('the model agrees with itself', () => checkReservationsModel(() => overStore(), { runs: 200 }));

describe('the model finds a store that', () => {
  const wrong: Record<string, typeof MemoryReservationStore> = {
    'makes holds shorter': class extends MemoryReservationStore {
      override async reserve(key: ReservationKey, owner: string, ttl: number | null) {
        void super.release(key, owner);
        return super.reserve(key, owner, ttl);
      }
    },
    'takes some of several': class extends MemoryReservationStore {
      override async reserveAll(keys: readonly ReservationKey[], owner: string, ttl: number | null) {
        const taken = await super.reserveAll(keys, owner, ttl);
        for (const key of taken.length > 0 ? keys : []) void super.reserve(key, owner, ttl);
        return taken;
      }
    },
    'lets everyone release': class extends MemoryReservationStore {
      override async release(key: ReservationKey) {
        const owner = await super.ownerOf(key);
        return owner !== undefined && super.release(key, owner);
      }
    },
    'forgets the cooldown': class extends MemoryReservationStore {
      override swap(from: ReservationKey, to: ReservationKey, owner: string) {
        return super.swap(from, to, owner, 0);
      }
    },
    'makes a hold that is handed over last for good': class extends MemoryReservationStore {
      override transfer(key: ReservationKey, from: string, to: string) {
        void super.confirm(key, from);
        return super.transfer(key, from, to);
      }
    },
    'takes its time': class extends MemoryReservationStore {
      override async confirm(...args: Parameters<MemoryReservationStore['confirm']>) {
        await Promise.resolve();
        return super.confirm(...args);
      }
    },
    'keeps what is rolled back': class extends MemoryReservationStore {
      override inTransaction<R>(work: (store: MemoryReservationStore) => Promise<R>): Promise<R> {
        return work(this);
      }
    },
    'keeps one of an owner’s': class extends MemoryReservationStore {
      override async releaseAll(owner: string) {
        const [first, ...rest] = await super.listByOwner(owner);
        for (const key of rest) await super.release(key, owner);
        return first === undefined ? 0 : rest.length + 1;
      }
    },
  };
  it.each(Object.entries(wrong))('%s', async (_, Store) => {
    await expect(checkReservationsModel(() => overStore(Store), { runs: 1_000, endOnFailure: true })).rejects.toThrow(/Counterexample/);
  });
});
