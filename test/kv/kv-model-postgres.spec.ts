import { it } from 'vitest';
import { checkKvModel } from './kv-model';
import { kvOnPostgres } from './postgres';

const makeKv = kvOnPostgres();

it('random sequences of calls have the same answers on PostgreSQL as in memory', () => checkKvModel(makeKv, { runs: 200 }), 60_000);
