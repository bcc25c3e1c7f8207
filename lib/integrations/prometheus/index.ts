/**
 * Metrics for prom-client.
 *
 * @module nestjs-persistpg/prometheus
 */
export { prometheus } from './prometheus';
