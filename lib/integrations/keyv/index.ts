export { createKeyv, type CreateKeyvOptions } from './create-keyv';
