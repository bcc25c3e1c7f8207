import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { PersistPgHealthModule } from 'nestjs-persistpg/health';
import { PersistPgScheduleModule } from 'nestjs-persistpg/schedule';
import { HealthController } from './health.controller';
import { MetricsController } from './metrics.controller';

/** For who runs the shop: health, metrics, and a job that removes what has expired. */
@Module({
  imports: [TerminusModule.forRoot({ logger: false }), PersistPgHealthModule, PersistPgScheduleModule.forRoot({ interval: '30s' })],
  controllers: [HealthController, MetricsController],
})
export class OperationsModule {}
