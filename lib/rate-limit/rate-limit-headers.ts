import type { ResolvedRule } from './rate-limit-rule';
import type { RateLimitResult } from './rate-limiter';

/** What clients are told of one limit; times in whole seconds. */
export interface ToldLimit {
  readonly name: string;
  readonly limit: number;
  readonly window: number;
  readonly remaining: number;
  /** Until there is more of it; for who was refused, until a try may pass. */
  readonly moreIn: number;
}

/** A response of Express, of Fastify, or of Node itself. */
export interface Response {
  header?(name: string, value: string | number): unknown;
  setHeader?(name: string, value: string | number): unknown;
}

/** Sets a header, with whichever framework. */
export function setHeader(response: Response, name: string, value: string | number): void {
  if (typeof response.header === 'function') response.header(name, value);
  else response.setHeader?.(name, value);
}

/** Sets `RateLimit-Policy` and `RateLimit` as draft-ietf-httpapi-ratelimit-headers-10 has them: lists of quoted names with parameters. */
export function setRateLimitHeaders(response: Response, limits: readonly ToldLimit[]): void {
  if (limits.length === 0) return;
  const policies = limits.map(({ name, limit, window }) => `${quoted(name)};q=${limit};w=${window}`);
  const states = limits.map(({ name, remaining, moreIn }) => `${quoted(name)};r=${remaining};t=${moreIn}`);
  setHeader(response, 'RateLimit-Policy', policies.join(', '));
  setHeader(response, 'RateLimit', states.join(', '));
}

/** What a verdict tells clients. */
export function told(rule: ResolvedRule, result: RateLimitResult): ToldLimit {
  const { name, limit, window } = rule;
  const moreIn = result.allowed ? moreAfter(rule, result) : result.retryAfterMs;
  return { name, limit, window: seconds(window), remaining: result.remaining, moreIn: seconds(moreIn) };
}

/** Milliseconds until there is more, which may be long before all of the limit is there again. */
function moreAfter({ algorithm, limit, window }: ResolvedRule, { remaining, resetMs }: RateLimitResult): number {
  switch (algorithm) {
    case 'fixed-window':
      return resetMs;
    case 'sliding-window':
      // What was counted begins to fade when its window ends, and has faded a window later.
      return resetMs > window ? resetMs - window : resetMs;
    case 'token-bucket':
      return resetMs - (limit - remaining - 1) * (window / limit);
  }
}

/** Whole seconds, never too few. */
export function seconds(ms: number): number {
  return Math.max(0, Math.ceil(ms / 1_000));
}

/** A structured-field string is printable ASCII: what is not is percent-encoded. */
function quoted(name: string): string {
  const ascii = name.replace(/[^ -~]/gu, (character) => Buffer.from(character).toString('hex').replace(/../g, '%$&'));
  return `"${ascii.replace(/["\\]/g, '\\$&')}"`;
}
