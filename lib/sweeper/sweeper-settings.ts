import { durationMs } from '../duration';
import { count, duration, Environment, refuseUnknown } from '../option-checks';
import type { RunSettings } from './sweep-run';
import type { SweeperOptions } from './sweeper';

const names = ['interval', 'batchSize', 'budget', 'idlePagesPerSecond', 'autoStart'];

/** Reads the options of the sweeper, of the module or of `start()`. */
export function readSweeperOptions(options: SweeperOptions, env = new Environment(process.env)): RunSettings {
  refuseUnknown('sweeper', options, names);
  return {
    interval: duration('sweeper.interval', options.interval ?? env.ms('PERSISTPG_SWEEPER_INTERVAL_MS'), 30_000),
    batchSize: count('sweeper.batchSize', options.batchSize ?? env.count('PERSISTPG_SWEEPER_BATCH_SIZE'), 1_000, 1, 100_000),
    budget: options.budget === undefined ? undefined : durationMs('sweeper.budget', options.budget),
    idlePagesPerSecond: count('sweeper.idlePagesPerSecond', options.idlePagesPerSecond, 1_000, 1),
  };
}
