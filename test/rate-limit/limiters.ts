import type { DynamicModule } from '@nestjs/common';
import { PersistPg } from '../../lib/persist-pg';
import { withProviders } from '../../lib/persist-pg.module';
import { defaultInstance, getPersistPgToken } from '../../lib/persist-pg.tokens';
import type { RateLimiter } from '../../lib/rate-limit/rate-limiter';
import { createMemoryPersistPg } from '../../lib/testing/memory-persist-pg';

/** A limiter, and the module that provides it to an app. */
export interface LimiterUnderTest {
  readonly limiter: RateLimiter;
  readonly module: DynamicModule;
}

/** The limiter of an instance as an app has it; the app closes it. */
export function limiterOf(persist: PersistPg, name = defaultInstance): LimiterUnderTest {
  const instance = { provide: getPersistPgToken(PersistPg, name), useValue: persist };
  class LimiterModule {}
  return { limiter: persist.limiter, module: { ...withProviders({ module: LimiterModule, global: true }, { name }, instance) } };
}

/** In memory, with a time that can be moved on. */
export function memoryLimiter(name?: string): LimiterUnderTest & { advance(by: number | string): void } {
  const persist = createMemoryPersistPg();
  return { ...limiterOf(persist, name), advance: (by) => persist.advance(by) };
}
