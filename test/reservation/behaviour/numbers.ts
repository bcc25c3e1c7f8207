import { expect, it } from 'vitest';
import { open, type MakeReservations } from './setup';

export function describeNumbers(make: MakeReservations): void {
  it('tell what came of the calls', async () => {
    const counts: Record<string, number> = {};
    const { reservations } = await open(make, {
      instrumentation: {
        count: (name, by, labels) => {
          if (name === 'persistpg_reservations_total') counts[labels!['outcome']!] = (counts[labels!['outcome']!] ?? 0) + by;
        },
        gauge: () => {},
        record: () => {},
      },
    });
    await reservations.reserve('c', 'f', 'v', 'o');
    await reservations.reserve('c', 'f', 'v', 'p');
    await reservations.reserveAll('c', { f: 'v', g: 'v' }, 'o');
    await reservations.reserveAll('c', { f: 'v', g: 'v' }, 'p').catch(() => {});
    await reservations.confirm('c', 'f', 'v', 'o');
    await reservations.confirm('c', 'f', 'v', 'p');
    await reservations.transfer('c', 'f', 'v', { from: 'o', to: 'p' });
    await reservations.swap('c', 'f', { from: 'v', to: 'w' }, 'p');
    await reservations.swap('c', 'f', { from: 'v', to: 'w' }, 'p');
    await reservations.release('c', 'f', 'w', 'p');
    await reservations.release('c', 'f', 'w', 'p');
    await reservations.reserveAll('c', { a: 'v', b: 'v' }, 'o');
    await reservations.releaseAll('o');
    expect(counts).toEqual({ reserved: 5, conflict: 2, confirmed: 1, transferred: 1, swapped: 1, released: 4, refused: 3 });
  });
}
