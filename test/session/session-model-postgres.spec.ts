import { it } from 'vitest';
import { sessionsInMemory } from './memory';
import { sessionsOnPostgres } from './postgres';
import { checkSessionModel } from './session-model';

const onPostgres = sessionsOnPostgres();

it('sessions on PostgreSQL answer as those in memory do', () => checkSessionModel(onPostgres, sessionsInMemory, { runs: 25 }));
