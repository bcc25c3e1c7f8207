import { describeReservations } from './reservations-behaviour';
import { inMemory } from './in-memory';

describeReservations('reservations in memory', inMemory);
