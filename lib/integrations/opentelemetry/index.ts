/**
 * Metrics and spans for OpenTelemetry.
 *
 * @module nestjs-persistpg/opentelemetry
 */
export { opentelemetry } from './opentelemetry';
