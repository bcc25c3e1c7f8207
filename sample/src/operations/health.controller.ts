import { Controller, Get } from '@nestjs/common';
import { HealthCheck, HealthCheckService, type HealthCheckResult } from '@nestjs/terminus';
import { PersistPgHealthIndicator } from 'nestjs-persistpg/health';

@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly persist: PersistPgHealthIndicator,
  ) {}

  /** For who decides whether this process gets requests: 503 while PostgreSQL does not answer, or nothing has expired for ten minutes. */
  @Get()
  @HealthCheck()
  check(): Promise<HealthCheckResult> {
    return this.health.check([() => this.persist.pingCheck('persistpg', { timeout: '1s', maxSweeperLag: '10m' })]);
  }
}
