export { startPostgres, type StartPostgresOptions, type TestPostgres } from './postgres';
