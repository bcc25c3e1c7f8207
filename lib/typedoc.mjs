import { fileURLToPath } from 'node:url';
import { entries } from './entries.mjs';

const path = (name) => fileURLToPath(new URL(name, import.meta.url));

/** What `npm run docs` makes: a page for each public name, out of the comment above it. A name without a comment fails it, and so does a link to nowhere. */
export default {
  name: 'nestjs-persistpg',
  entryPoints: Object.values(entries).map((file) => path(`${file}.ts`)),
  tsconfig: path('tsconfig.json'),
  out: path('../.build/docs'),
  readme: 'none',
  disableSources: true,
  excludeInternal: true,
  excludePrivate: true,
  excludeExternals: true,
  validation: { notExported: true, invalidLink: true, invalidPath: true, rewrittenLink: true, notDocumented: true },
  treatWarningsAsErrors: true,
  treatValidationWarningsAsErrors: true,
  // What must not be given, and what the sentence above a method says of the object that it gives or takes.
  intentionallyNotDocumented: [
    ...['ttl', 'expiresAt', 'keepTtl'].map((name) => `nestjs-persistpg.ExpiryOptions.__type.${name}`),
    ...['ifAbsent', 'ifPresent', 'ifVersion'].map((name) => `nestjs-persistpg.ConditionOptions.__type.${name}`),
    ...['interval', 'cron'].map((name) => `nestjs-persistpg/schedule.PersistPgScheduleOptions.__type.${name}`),
    ...['ran', 'result'].map((name) => `nestjs-persistpg.LockService.tryWithLock.__type.${name}`),
    ...['name', 'up', 'down'].map((name) => `nestjs-persistpg.createPersistPgMigration.__type.__type.${name}`),
    ...['isTransactionActive', 'connect'].map((name) => `nestjs-persistpg.TransactionManager.queryRunner.__type.${name}`),
    ...['AsyncMethodDecorator', 'SkippableMethodDecorator', 'OnExpired'].map((name) => `nestjs-persistpg.${name}.__type.M`),
  ],
};
