import { SetMetadata, type ExecutionContext } from '@nestjs/common';
import { readOptions } from '../argument-checks';
import { text } from '../option-checks';
import { ConfigError, InvalidArgumentError } from '../persist-pg.errors';
import { readCost, readRules, type ResolvedRule } from './rate-limit-rule';
import type { RateLimitRule } from './rate-limiter';

/**
 * Options of `@RateLimit()`.
 *
 * @inline
 */
export interface RateLimitOptions {
  /**
   * What is counted; default class, handler and the client's address. It is the whole key: routes that give the same one for rules of the same names and windows share a count.
   * With a key of your own other contexts than HTTP are limited too; without one they pass.
   */
  key?: (context: ExecutionContext) => string | Promise<string>;
  /** Cost of a request; default 1. */
  cost?: number;
  /** Name of the instance whose limiter counts; default `default`. */
  instance?: string;
}

/** What `@RateLimit()` leaves on a class or a method. */
export interface RouteLimit {
  /** As given, for the limiter. */
  readonly rules: readonly RateLimitRule[];
  /** The same with their defaults, in the same order. */
  readonly resolved: readonly ResolvedRule[];
  readonly key: RateLimitOptions['key'];
  readonly cost: number;
  readonly instance: string | undefined;
}

/** Where it leaves it; the same for every copy of the package. */
export const routeLimitOf = Symbol.for('nestjs-persistpg/1/route-limit');

/**
 * Limits a route or controller, for apps without @nestjs/throttler; needs `RateLimitGuard`. One on a method takes the place of the one on its class, and each route of a class is counted by itself.
 *
 * @example @Post() @RateLimit({ limit: 5, window: '1m', blockDuration: '15m' }) login() {}
 */
export function RateLimit(
  rule: RateLimitRule | readonly RateLimitRule[],
  options: RateLimitOptions = {},
): MethodDecorator & ClassDecorator {
  const resolved = readRules(rule);
  readOptions(options, ['key', 'cost', 'instance']);
  const { key } = options;
  if (key !== undefined && typeof key !== 'function') throw new InvalidArgumentError('key', 'must be a function of the context');
  const limit: RouteLimit = {
    rules: Array.isArray(rule) ? [...(rule as readonly RateLimitRule[])] : [rule as RateLimitRule],
    resolved,
    key,
    cost: readCost(options.cost, resolved),
    instance: text('instance', options.instance),
  };
  const decorate = SetMetadata(routeLimitOf, limit);
  return (target: object, property?: string | symbol, descriptor?: TypedPropertyDescriptor<any>): void => {
    const owner = (descriptor?.value ?? target) as object;
    if (Reflect.hasOwnMetadata(routeLimitOf, owner)) {
      throw new ConfigError(
        `two @RateLimit() on ${String(property ?? (target as { name?: string }).name)}: give one of them a list of rules`,
      );
    }
    decorate(target, property!, descriptor!);
  };
}
