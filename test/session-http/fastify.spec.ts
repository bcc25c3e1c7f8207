import { sessionsInMemory } from '../session/memory';
import { sessionsOnPostgres } from '../session/postgres';
import { FastifyApp } from './fastify-app';
import { describeSessionStore } from './store-behaviour';

describeSessionStore('Fastify, sessions in PostgreSQL', FastifyApp.open, sessionsOnPostgres());
describeSessionStore('Fastify, sessions in memory', FastifyApp.open, sessionsInMemory);
