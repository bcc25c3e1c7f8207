import { Controller, Get, Header } from '@nestjs/common';
import { register } from 'prom-client';

@Controller('metrics')
export class MetricsController {
  /** What Prometheus scrapes. */
  @Get()
  @Header('content-type', register.contentType)
  show(): Promise<string> {
    return register.metrics();
  }
}
