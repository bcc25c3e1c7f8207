import fastifyCookie from '@fastify/cookie';
import fastifySession from '@fastify/session';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Sessions } from 'nestjs-persistpg';
import { PersistPgSessionStore } from 'nestjs-persistpg/session/fastify';
import { AppModule } from './app.module.js';

const app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter());
await app.register(fastifyCookie);
await app.register(fastifySession, {
  store: new PersistPgSessionStore(app.get(Sessions)),
  secret: process.env['SESSION_SECRET'] ?? 'known to everybody who reads this',
  saveUninitialized: false,
  cookie: { secure: false, maxAge: 7 * 24 * 3600 * 1000 }, // leave `secure` out where there is HTTPS
});
app.enableShutdownHooks();
await app.listen(process.env['PORT'] ?? 3000);
console.log(`Open at ${await app.getUrl()}`);
