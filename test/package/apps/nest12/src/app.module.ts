import { Module } from '@nestjs/common';
import { PersistPgModule } from 'nestjs-persistpg';
import { AppController } from './app.controller.js';
import { AppService } from './app.service.js';

@Module({
  imports: [PersistPgModule.forRoot()],
  controllers: [AppController],
  providers: [AppService],
})
export class AppModule {}
