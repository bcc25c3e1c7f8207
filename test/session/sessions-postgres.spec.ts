import { sessionsOnPostgres } from './postgres';
import { describeSessions } from './session-behaviour';

describeSessions('sessions on PostgreSQL', sessionsOnPostgres());
