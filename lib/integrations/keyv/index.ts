/**
 * A Keyv for `CacheModule`, cache-manager and Keyv itself.
 *
 * @module nestjs-persistpg/keyv
 */
export { createKeyv, type CreateKeyvOptions } from './create-keyv';
