import { Inject, Injectable, Module, type DynamicModule, type OnModuleDestroy, type OnModuleInit, type Type } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { Cron, Interval, SchedulerRegistry } from '@nestjs/schedule';
import { durationMs, type Duration } from '../../duration';
import { refuseUnknown, text } from '../../option-checks';
import { PersistPg } from '../../persist-pg';
import { ConfigError, InvalidArgumentError } from '../../persist-pg.errors';
import { defaultInstance, getPersistPgToken } from '../../persist-pg.tokens';
import type { Sweeper } from '../../sweeper/sweeper';

/** When the sweeper runs: at the times of a cron expression, or at an interval. */
export type PersistPgScheduleOptions =
  | {
      /** Cron expression; without seconds or with them. */
      cron?: string;
      /** Time zone of the cron expression; default that of the process. */
      timeZone?: string;
      interval?: never;
      /** Name in the `SchedulerRegistry`; default `persistpg:sweep`. */
      jobName?: string;
      /** Name of the instance; default the default one. */
      instance?: string;
    }
  | {
      /** Time between the beginnings of two runs; default 30 s. */
      interval: Duration;
      cron?: never;
      /** Name in the `SchedulerRegistry`; default `persistpg:sweep`. */
      jobName?: string;
      /** Name of the instance; default the default one. */
      instance?: string;
    };

/**
 * Runs the sweeper as a job that the app's `SchedulerRegistry` knows; the app imports `ScheduleModule.forRoot()` itself, once.
 * The sweeper's own timer stops, and a run that is not over when the next is due is the only one.
 *
 * @example imports: [ScheduleModule.forRoot(), PersistPgModule.forRoot(), PersistPgScheduleModule.forRoot({ cron: '0 *\/5 * * * *' })]
 */
@Module({})
export class PersistPgScheduleModule {
  /** By cron expression or interval; job name default `persistpg:sweep`; the sweeper's own timer stops. */
  static forRoot(options: PersistPgScheduleOptions = {}): DynamicModule {
    return { module: PersistPgScheduleModule, providers: [jobOf(options)] };
  }
}

const longestTimer = 2 ** 31 - 1;

type Scheduled = (prototype: object, method: string, descriptor: TypedPropertyDescriptor<() => Promise<void>>) => void;

// A class of its own for each: the schedule's decorators note what they are told on the method itself.
function jobOf(options: PersistPgScheduleOptions): Type {
  const { instance = defaultInstance, jobName = 'persistpg:sweep' } = options;
  const scheduled = read(options, jobName);

  @Injectable()
  class SweepJob implements OnModuleInit, OnModuleDestroy {
    private persist: PersistPg | undefined;
    private running: Promise<void> | undefined;
    private stopped = false;

    constructor(@Inject(ModuleRef) private readonly modules: ModuleRef) {}

    /** Called by the scheduler, which may be early: a run that is under way is the only one. */
    async sweep(): Promise<void> {
      if (this.stopped || this.persist === undefined) return;
      this.running ??= runInTurn(this.persist.sweeper).finally(() => (this.running = undefined));
      await this.running;
    }

    async onModuleInit(): Promise<void> {
      if (this.find(SchedulerRegistry) === undefined) {
        throw new ConfigError(
          'PersistPgScheduleModule needs the SchedulerRegistry of the app: import ScheduleModule.forRoot() in its root module, once',
        );
      }
      const persist = this.find<PersistPg>(getPersistPgToken(PersistPg, instance));
      if (persist === undefined) {
        throw new ConfigError(
          `PersistPgScheduleModule finds no instance ${JSON.stringify(instance)}: import PersistPgModule.forRoot() with that name`,
        );
      }
      persist.startsSweeper = false;
      await persist.sweeper.stop();
      this.persist = persist;
    }

    // Before the scheduler stops its jobs, and while the database is still there.
    async onModuleDestroy(): Promise<void> {
      this.stopped = true;
      const registry = this.find(SchedulerRegistry);
      for (const type of ['cron', 'interval'] as const) {
        if (registry?.doesExist(type, jobName) !== true) continue;
        if (type === 'cron') registry.deleteCronJob(jobName);
        else registry.deleteInterval(jobName);
      }
      await this.persist?.sweeper.stop();
      await this.running?.catch(() => undefined);
    }

    private find<T>(token: Type<T> | symbol): T | undefined {
      try {
        return this.modules.get<T>(token, { strict: false });
      } catch {
        return undefined;
      }
    }
  }

  scheduled(SweepJob.prototype, 'sweep', Object.getOwnPropertyDescriptor(SweepJob.prototype, 'sweep')!);
  return SweepJob;
}

// `sweep()` reads every table at full speed, in every process whose job is due: too much to do every few minutes.
async function runInTurn(sweeper: Sweeper): Promise<void> {
  await sweeper.runByTimer();
  const { lastError } = sweeper.status();
  if (lastError !== undefined) throw lastError;
}

function read(options: PersistPgScheduleOptions, name: string): Scheduled {
  refuseUnknown('', options, ['cron', 'timeZone', 'interval', 'jobName', 'instance']);
  text('jobName', options.jobName);
  text('instance', options.instance);
  const { cron, interval } = options;
  const timeZone = text('timeZone', (options as { timeZone?: string }).timeZone);
  if (cron !== undefined && interval !== undefined) throw new InvalidArgumentError('interval', 'and cron are both given; give one of them');
  if (cron === undefined) {
    if (timeZone !== undefined) throw new InvalidArgumentError('timeZone', 'belongs to cron, which is not given');
    const ms = durationMs('interval', interval ?? 30_000);
    if (ms > longestTimer) throw new InvalidArgumentError('interval', 'is over 24 days, which no timer can wait; give a cron expression');
    return Interval(name, ms);
  }
  return Cron(text('cron', cron)!, { name, ...(timeZone === undefined ? {} : { timeZone }) });
}
