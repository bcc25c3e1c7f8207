import 'reflect-metadata';
import { join } from 'node:path';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import session from 'express-session';
import { Sessions } from 'nestjs-persistpg';
import { PersistPgSessionStore } from 'nestjs-persistpg/session/express';
import { AppModule } from './app.module';
import { openDatabase, type ShopDatabase } from './database';

async function main(): Promise<void> {
  const database = await openDatabase();
  try {
    await open(database);
  } catch (error) {
    await database.stop();
    throw error;
  }
}

async function open(database: ShopDatabase): Promise<void> {
  process.env['DATABASE_URL'] = database.url;
  const app = await NestFactory.create<NestExpressApplication>(AppModule, { logger: ['error', 'warn'], abortOnError: false });
  app.useStaticAssets(join(__dirname, '../../sample/public'));
  app.use(
    session({
      store: new PersistPgSessionStore(app.get(Sessions)),
      secret: process.env['SESSION_SECRET'] ?? 'known to everybody who reads this',
      resave: false,
      saveUninitialized: false,
      cookie: { sameSite: 'strict', maxAge: 7 * 24 * 3600 * 1000 },
    }),
  );
  await app.listen(process.env['PORT'] ?? 3000).catch(async (error: unknown) => {
    await app.close();
    throw error;
  });

  // Once the app and the database are closed nothing keeps the process alive, so it ends by itself.
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await app.close();
    await database.stop();
  };
  // A second process of the page's goes with the one that started it.
  for (const end of ['SIGINT', 'SIGTERM', 'disconnect']) process.once(end, () => void (closing ??= close().catch(report)));
  process.channel?.unref();

  const { port } = new URL(await app.getUrl());
  console.log(`The shop is open at http://localhost:${port} (data in ${database.place}); Ctrl+C closes it.`);
}

function report(error: unknown): void {
  console.error(error);
  process.exitCode = 1;
}

main().catch(report);
