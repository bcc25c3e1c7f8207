import { sessionsInMemory } from './memory';
import { describeSessions } from './session-behaviour';

describeSessions('sessions in memory', sessionsInMemory);
