import { checkText } from '../argument-checks';
import { durationMs } from '../duration';
import { InvalidArgumentError } from '../persist-pg.errors';
import type { RateLimitRule } from './rate-limiter';

/** Most rules of one call. */
const maxRules = 16;

/** Longest name of a rule, in bytes of UTF-8. */
export const maxNameLength = 64;

/** Largest limit: counts are four-byte integers. */
export const maxLimit = 2 ** 31 - 1;

const algorithms = ['fixed-window', 'sliding-window', 'token-bucket'] as const;

/** A rule with its defaults; durations in milliseconds. */
export interface ResolvedRule {
  readonly name: string;
  readonly limit: number;
  readonly window: number;
  readonly algorithm: 'fixed-window' | 'sliding-window' | 'token-bucket';
  readonly blockDuration: number | undefined;
  readonly durable: boolean;
}

/** Gives the rules of a call with their defaults, in the order given, or throws `InvalidArgumentError`. */
export function readRules(rule: RateLimitRule | readonly RateLimitRule[]): readonly ResolvedRule[] {
  const rules = Array.isArray(rule) ? (rule as readonly RateLimitRule[]) : [rule as RateLimitRule];
  if (rules.length === 0) throw new InvalidArgumentError('rule', 'is an empty list');
  if (rules.length > maxRules)
    throw new InvalidArgumentError('rule', `is a list of ${rules.length}; the limit is ${maxRules} rules a call`);
  const resolved = rules.map(readRule);
  const names = new Set(resolved.map(({ name }) => name));
  if (names.size < resolved.length) {
    throw new InvalidArgumentError('rule.name', `must differ from rule to rule; these are ${resolved.map(({ name }) => name).join(', ')}`);
  }
  return resolved;
}

/** Gives the cost of a hit: a whole number from 1 to the smallest limit, since a larger one could never pass. */
export function readCost(cost: unknown, rules: readonly ResolvedRule[]): number {
  if (cost === undefined) return 1;
  const most = Math.min(...rules.map(({ limit }) => limit));
  return wholeNumber('cost', cost, most);
}

function readRule(rule: RateLimitRule): ResolvedRule {
  if (typeof rule !== 'object' || rule === null) throw new InvalidArgumentError('rule', 'must be an object with limit and window');
  const { name = 'default', algorithm = 'fixed-window', durable = false } = rule;
  if (name === '') throw new InvalidArgumentError('rule.name', 'is empty');
  checkText(name, maxNameLength, 'rule.name');
  if (!algorithms.includes(algorithm)) {
    throw new InvalidArgumentError('rule.algorithm', `must be one of ${algorithms.join(', ')}, not ${JSON.stringify(algorithm)}`);
  }
  if (typeof durable !== 'boolean') throw new InvalidArgumentError('rule.durable', 'must be true or false');
  const limit = wholeNumber('rule.limit', rule.limit, maxLimit);
  const window = durationMs('rule.window', rule.window);
  if (window < 1) throw new InvalidArgumentError('rule.window', 'is shorter than a millisecond');
  if (algorithm === 'token-bucket' && limit > window * 1_000) {
    throw new InvalidArgumentError(
      'rule.limit',
      `is more than one each microsecond of the window; the limit is ${Math.floor(window * 1_000)}`,
    );
  }
  const blockDuration = rule.blockDuration === undefined ? undefined : durationMs('rule.blockDuration', rule.blockDuration);
  return { name, limit, window, algorithm, blockDuration, durable };
}

/** Gives the number back, or throws `InvalidArgumentError`: it must be whole and from 1 to `most`. */
export function wholeNumber(argument: string, value: unknown, most = maxLimit): number {
  if (!Number.isSafeInteger(value) || (value as number) < 1 || (value as number) > most) {
    throw new InvalidArgumentError(argument, `must be a whole number from 1 to ${most}, not ${String(value)}`);
  }
  return value as number;
}
