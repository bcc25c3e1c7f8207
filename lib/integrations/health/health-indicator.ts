import { Inject, Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import type { HealthIndicatorResult } from '@nestjs/terminus';
import { durationMs, type Duration } from '../../duration';
import { PersistPg } from '../../persist-pg';
import { ConfigError } from '../../persist-pg.errors';
import { defaultInstance, getPersistPgToken } from '../../persist-pg.tokens';

/** What a check is asked. */
export interface PersistPgPingOptions {
  /** Time for the round trip; default 1 s. */
  timeout?: Duration;
  /** Down if the sweeper of this process has not run for so long; not looked at by default. */
  maxSweeperLag?: Duration;
  /** Name of the instance; default the default one. */
  instance?: string;
}

/** A snapshot this old, in milliseconds, slows hot keys noticeably. */
const oldSnapshot = 10_000;

/**
 * Terminus indicator.
 *
 * @example this.health.check([() => this.persist.pingCheck('persistpg', { timeout: '1s' })])
 */
@Injectable()
export class PersistPgHealthIndicator {
  private readonly since = Date.now();
  /** When the sweeper of an instance was last seen to have done its work. */
  private readonly swept = new WeakMap<PersistPg, number>();

  constructor(@Inject(ModuleRef) private readonly modules: ModuleRef) {}

  /**
   * Up if a real round trip on the way of the operations succeeds in time, and the server takes writes. Reports lanes, what is queued,
   * the sweeper, the size of the tables and the age of the oldest snapshot; `warnings` says what is not right although it is up.
   *
   * Never hangs, and what fails is `down` with a `message`; only options that make no sense reject (`InvalidArgumentError`, code `CONFIG`).
   */
  async pingCheck<const K extends string>(key: K, options: PersistPgPingOptions = {}): Promise<HealthIndicatorResult<K>> {
    const { timeout = 1_000, maxSweeperLag, instance = defaultInstance } = options;
    const patience = durationMs('timeout', timeout);
    const longestLag = maxSweeperLag === undefined ? Infinity : durationMs('maxSweeperLag', maxSweeperLag);
    const persist = this.find(instance);
    const started = performance.now();
    const end = started + patience;
    const report: Record<string, unknown> = { ...persist.status.load(), sweeper: this.sweeperOf(persist) };
    const problems: string[] = [];
    try {
      const { readOnly } = await persist.status.ping(patience);
      report['responseTime'] = Math.round(performance.now() - started);
      if (readOnly) problems.push('PostgreSQL takes no writes: it is a standby, or read-only');
    } catch (error) {
      problems.push((error as Error).message);
    }
    if (problems.length === 0) Object.assign(report, await describe(persist, end - performance.now()));
    const lag = this.lagOf(persist);
    if (lag > longestLag) problems.push(`the sweeper has not run for ${Math.round(lag / 1_000)} s`);
    if (problems.length > 0) report['message'] = problems.join('; ');
    return { [key]: { ...report, status: problems.length === 0 ? 'up' : 'down' } } as HealthIndicatorResult<K>;
  }

  private find(instance: string): PersistPg {
    try {
      return this.modules.get<PersistPg>(getPersistPgToken(PersistPg, instance), { strict: false });
    } catch (cause) {
      throw new ConfigError(
        `PersistPgHealthIndicator finds no instance ${JSON.stringify(instance)}: import PersistPgModule.forRoot() with that name`,
        { cause },
      );
    }
  }

  // A run that failed is a run, but no work was done: the lag goes on from the last that succeeded.
  private lagOf(persist: PersistPg): number {
    const { lastRunAt, lastError } = persist.sweeper.status();
    if (lastRunAt !== undefined && lastError === undefined) this.swept.set(persist, lastRunAt.getTime());
    return Date.now() - (this.swept.get(persist) ?? this.since);
  }

  private sweeperOf(persist: PersistPg): Record<string, unknown> {
    const { running, lastRunAt, lastResult, lastError } = persist.sweeper.status();
    return {
      running,
      ...(lastRunAt === undefined ? {} : { lag: Date.now() - lastRunAt.getTime(), lastRunAt: lastRunAt.toISOString() }),
      ...(lastResult === undefined ? {} : { lastResult }),
      ...(lastError === undefined ? {} : { lastError: lastError.message }),
    };
  }
}

// Up is up, whether or not PostgreSQL finds the time to say more.
async function describe(persist: PersistPg, timeout: number): Promise<Record<string, unknown>> {
  try {
    const { server, oldestSnapshot, tables } = await persist.status.database(Math.max(1, timeout));
    const sizes = Object.fromEntries(Object.entries(tables).map(([name, { bytes }]) => [name, bytes]));
    const warning = `a snapshot has been held for ${Math.round(oldestSnapshot / 1_000)} s: while it lasts, PostgreSQL keeps every version of a hot row, and hot keys slow down`;
    return {
      server,
      tableBytes: sizes,
      oldestSnapshot: Math.round(oldestSnapshot),
      ...(oldestSnapshot >= oldSnapshot ? { warnings: [warning] } : {}),
    };
  } catch (error) {
    return { warnings: [`no details: ${(error as Error).message}`] };
  }
}
