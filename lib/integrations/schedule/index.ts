/**
 * The sweeper as a job of @nestjs/schedule.
 *
 * @module nestjs-persistpg/schedule
 */
export { PersistPgScheduleModule, type PersistPgScheduleOptions } from './schedule.module';
