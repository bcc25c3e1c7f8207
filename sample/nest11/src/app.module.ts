import { Module } from '@nestjs/common';
import { PersistPgModule } from 'nestjs-persistpg';
import { AppController } from './app.controller';

@Module({
  imports: [PersistPgModule.forRoot()], // on DATABASE_URL, or on the app's TypeORM DataSource if it has one
  controllers: [AppController],
})
export class AppModule {}
