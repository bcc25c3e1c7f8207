import { it } from 'vitest';
import { reservationsOnPostgres } from './on-postgres';
import { checkReservationsModel } from './reservations-model';

const make = reservationsOnPostgres(undefined, { reservation: { durability: 'async' } });

it('random sequences of calls have the same answers on PostgreSQL as in memory', () => checkReservationsModel(make, { runs: 60 }), 60_000);
