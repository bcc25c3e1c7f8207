import { ConfigurableModuleBuilder, type ModuleMetadata, type Type } from '@nestjs/common';
import type { DataSource } from './database/transaction-manager';
import type { PersistPgModuleOptions } from './persist-pg.options';

/** What must be known before the options are: also in `forRootAsync`. */
export interface PersistPgModuleExtras {
  /** Instance name; default `default`. */
  name?: string;
  /** Name of the app's DataSource, or the DataSource itself; default the app's default one, if there is one. */
  dataSource?: string | DataSource;
  /** Default `true`, because `@WithLock()` and `@Cached()` need the services in every module. */
  isGlobal?: boolean;
}

/** Made by `useClass` and `useExisting` of `forRootAsync`. */
export interface PersistPgOptionsFactory {
  /** Gives the options. */
  createPersistPgOptions(): PersistPgModuleOptions | Promise<PersistPgModuleOptions>;
}

/** Options of `PersistPgModule.forRootAsync()`. */
export interface PersistPgModuleAsyncOptions extends PersistPgModuleExtras, Pick<ModuleMetadata, 'imports'> {
  /** Gives the options from what `inject` names. */
  useFactory?: (...deps: any[]) => PersistPgModuleOptions | Promise<PersistPgModuleOptions>;
  /** Tokens handed to `useFactory`. */
  inject?: any[];
  /** A class made for the purpose. */
  useClass?: Type<PersistPgOptionsFactory>;
  /** A provider that is there already. */
  useExisting?: Type<PersistPgOptionsFactory>;
}

/** Makes `forRoot` and `forRootAsync`; the extras never reach the options. */
export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<PersistPgModuleOptions>({
  moduleName: 'PersistPg',
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createPersistPgOptions')
  .setExtras<{ [K in keyof PersistPgModuleExtras]: PersistPgModuleExtras[K] | undefined }>(
    { name: 'default', dataSource: undefined, isGlobal: true },
    (definition, extras) => ({
      ...definition,
      global: extras.isGlobal ?? true,
    }),
  )
  .build();
