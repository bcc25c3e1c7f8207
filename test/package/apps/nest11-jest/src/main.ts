import { NestFactory } from '@nestjs/core';
import { AppModule, AppService } from './app.module';

async function bootstrap() {
  const app = await NestFactory.create(AppModule);
  await app.listen(0);
  const text = await app.get(AppService).getHello();
  await app.close();
  if (text !== 'Hello World!') throw new Error(text);
}
void bootstrap();
