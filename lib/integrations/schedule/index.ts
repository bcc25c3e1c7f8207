export { PersistPgScheduleModule, type PersistPgScheduleOptions } from './schedule.module';
