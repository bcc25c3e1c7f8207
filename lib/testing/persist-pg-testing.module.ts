import { randomBytes } from 'node:crypto';
import { Module, type DynamicModule } from '@nestjs/common';
import { PgPersistPg, PersistPg } from '../persist-pg';
import type { DataSource } from '../database/transaction-manager';
import type { PersistPgModuleExtras } from '../persist-pg.module-definition';
import { dataSourceToken, withProviders } from '../persist-pg.module';
import { type PersistPgModuleOptions } from '../persist-pg.options';
import { resolveOptions } from '../resolve-options';
import { defaultInstance, getPersistPgToken } from '../persist-pg.tokens';
import { createMemoryPersistPg } from './memory-persist-pg';

/** Drops its schema when it is closed. */
class SelfCleaningPersistPg extends PgPersistPg {
  override async close(): Promise<void> {
    await this.database.dropSchema().catch(() => {});
    await super.close();
  }
}

/** Stands in for `PersistPgModule` in tests. */
@Module({})
export class PersistPgTestingModule {
  /**
   * On PostgreSQL, in a schema of its own that is dropped at close; without a `url` it uses the app's DataSource, `PERSISTPG_URL` or `DATABASE_URL`, as the module does.
   *
   * @example Test.createTestingModule({ imports: [PersistPgTestingModule.forRoot({ url: postgres.url })] })
   */
  static forRoot(options: PersistPgModuleOptions & PersistPgModuleExtras = {}): DynamicModule {
    const { name = defaultInstance, dataSource, isGlobal = true, ...rest } = options;
    const resolved = resolveOptions({ ...rest, schema: `persistpg_test_${randomBytes(6).toString('hex')}` });
    const make = (found?: DataSource): PersistPg => new SelfCleaningPersistPg(resolved, found, { log() {}, warn() {} });
    const provide = getPersistPgToken(PersistPg, name);
    const instance =
      typeof dataSource === 'object'
        ? { provide, useFactory: () => make(dataSource) }
        : { provide, inject: [{ token: dataSourceToken(dataSource), optional: dataSource === undefined }], useFactory: make };
    return withProviders({ module: PersistPgTestingModule, global: isGlobal }, { name }, instance);
  }

  /** In memory; `PersistPgModule.forFeature()` of the app's modules works unchanged. */
  static forMemory(options: PersistPgModuleExtras = {}): DynamicModule {
    const { name = defaultInstance, isGlobal = true } = options;
    const instance = { provide: getPersistPgToken(PersistPg, name), useFactory: createMemoryPersistPg };
    return withProviders({ module: PersistPgTestingModule, global: isGlobal }, { name }, instance);
  }
}
