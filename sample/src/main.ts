import 'reflect-metadata';
import { join } from 'node:path';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { AppModule } from './app.module';
import { openDatabase } from './database';

async function main(): Promise<void> {
  const database = await openDatabase();
  process.env['DATABASE_URL'] = database.url;

  const app = await NestFactory.create<NestExpressApplication>(AppModule, { logger: ['error', 'warn'], abortOnError: false });
  app.useStaticAssets(join(__dirname, '../../sample/public'));

  // Once the app and the database are closed nothing keeps the process alive, so it ends by itself.
  const close = async (): Promise<void> => {
    await app.close();
    await database.stop();
  };
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void close().catch(report));

  try {
    await app.listen(process.env['PORT'] ?? 3000);
  } catch (error) {
    await close();
    throw error;
  }
  const { port } = new URL(await app.getUrl());
  console.log(`The shop is open at http://localhost:${port} (data in ${database.place}); Ctrl+C closes it.`);
}

function report(error: unknown): void {
  console.error(error);
  process.exitCode = 1;
}

main().catch(report);
