import { sessionsInMemory } from '../session/memory';
import { sessionsOnPostgres } from '../session/postgres';
import { ExpressApp } from './express-app';
import { describeSessionStore } from './store-behaviour';

describeSessionStore('Express, sessions in PostgreSQL', ExpressApp.open, sessionsOnPostgres());
describeSessionStore('Express, sessions in memory', ExpressApp.open, sessionsInMemory);
