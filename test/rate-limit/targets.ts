import type { RateLimitRule } from '../../lib/rate-limit/rate-limiter';
import type { Target } from './hammer';

const fixed: RateLimitRule = { name: 'fixed', limit: 40, window: '1s' };
const sliding: RateLimitRule = { name: 'sliding', limit: 37, window: '700ms', algorithm: 'sliding-window' };
const bucket: RateLimitRule = { name: 'bucket', limit: 30, window: '900ms', algorithm: 'token-bucket' };

/** Every algorithm, alone and together, with blocks and without, with equal costs and mixed ones. */
export const targets: readonly Target[] = [
  { name: 'fixed', rules: [fixed], costs: [1] },
  { name: 'sliding', rules: [sliding], costs: [1] },
  { name: 'bucket', rules: [bucket], costs: [1] },
  { name: 'costs', rules: [fixed], costs: [1, 1, 3, 7] },
  { name: 'blocking', rules: [{ ...fixed, window: '500ms', blockDuration: '800ms' }], costs: [1] },
  { name: 'together', rules: [sliding, { ...fixed, limit: 90, window: '3s' }, bucket], costs: [1, 1, 2] },
  { name: 'two', rules: [fixed, { ...fixed, name: 'longer', limit: 100, window: '4s', blockDuration: '1s' }], costs: [1] },
  { name: 'durable', rules: [{ ...bucket, durable: true }], costs: [1] },
];
