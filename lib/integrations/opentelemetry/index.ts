export { opentelemetry } from './opentelemetry';
