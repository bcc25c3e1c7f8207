import { Module } from '@nestjs/common';
import { PersistPgHealthIndicator } from './health-indicator';

/** Provides the indicator; import it beside `TerminusModule`. */
@Module({ providers: [PersistPgHealthIndicator], exports: [PersistPgHealthIndicator] })
export class PersistPgHealthModule {}
