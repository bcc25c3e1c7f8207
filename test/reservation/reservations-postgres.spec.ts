import { describeReservations } from './reservations-behaviour';
import { reservationsOnPostgres } from './on-postgres';

describeReservations('reservations on PostgreSQL', reservationsOnPostgres());
