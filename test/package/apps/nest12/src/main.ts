import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';

async function bootstrap() {
  const app = await NestFactory.create(AppModule);
  await app.listen(process.env.PORT ?? 0, '127.0.0.1');
  const answer = await fetch(await app.getUrl(), { headers: { connection: 'close' } });
  const text = await answer.text();
  await app.close();
  if (text !== 'Hello World!') throw new Error(`answered ${answer.status}: ${text}`);
}
await bootstrap();
