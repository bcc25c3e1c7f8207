import { durationMs } from '../duration';
import { InvalidArgumentError } from '../persist-pg.errors';
import { readOptions } from '../argument-checks';
import { type DefaultExpiry } from './write-options';

/** Options of a counter, checked. */
export interface CounterOptions {
  readonly ttl: number | undefined;
  readonly min: number | undefined;
  readonly max: number | undefined;
}

/** Reads what a counter is to be changed by. */
export function readStep(by: unknown): number {
  if (!Number.isSafeInteger(by)) throw new InvalidArgumentError('by', `must be a whole number within 2^53 - 1, not ${String(by)}`);
  return by as number;
}

/** Reads what a number is to be changed by. */
export function readFloatStep(by: unknown): number {
  if (!Number.isFinite(by)) throw new InvalidArgumentError('by', `must be a finite number, not ${String(by)}`);
  return by as number;
}

/** Reads the options of a counter; `names` are those that are allowed. */
export function readCounterOptions(
  options: unknown,
  fallback: DefaultExpiry,
  names: readonly ('ttl' | 'min' | 'max')[] = ['ttl', 'min', 'max'],
): CounterOptions {
  const read = readOptions(options, names);
  const min = readBound('min', read.min);
  const max = readBound('max', read.max);
  if (min !== undefined && max !== undefined && min > max) throw new InvalidArgumentError('min', `is ${min}, over max, which is ${max}`);
  const ttl = read.ttl === undefined ? ttlOf(fallback) : durationMs('ttl', read.ttl);
  return { ttl, min, max };
}

function readBound(name: string, bound: unknown): number | undefined {
  if (bound !== undefined && !Number.isSafeInteger(bound)) {
    throw new InvalidArgumentError(name, `must be a whole number within 2^53 - 1, not ${String(bound)}`);
  }
  return bound as number | undefined;
}

function ttlOf(expiry: DefaultExpiry): number | undefined {
  return expiry === 'never' ? undefined : expiry.ttl;
}
