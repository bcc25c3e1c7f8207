import {
  Inject,
  Logger,
  Module,
  type DynamicModule,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { PersistPgCache } from './cache/persist-pg-cache';
import { DataSource } from './database/transaction-manager';
import { connectClasses } from './decorators/decorated-classes';
import type { CollectionDefinition } from './kv/collection';
import { Kv } from './kv/kv';
import { LockService } from './lock/lock-service';
import { PersistPg, PgPersistPg } from './persist-pg';
import { isPersistPgError } from './error-checks';
import { ConfigError, DatabaseError } from './persist-pg.errors';
import {
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN,
  type PersistPgModuleAsyncOptions,
  type PersistPgModuleExtras,
} from './persist-pg.module-definition';
import { type PersistPgModuleOptions } from './persist-pg.options';
import { resolveOptions } from './resolve-options';
import { defaultInstance, getCollectionToken, getKvToken, getPersistPgToken, type PersistPgService } from './persist-pg.tokens';
import { RateLimiter } from './rate-limit/rate-limiter';
import { Reservations } from './reservation/reservations';
import { Sessions } from './session/sessions';
import { connectHandlers } from './sweeper/connect-handlers';
import { Sweeper } from './sweeper/sweeper';

/** What `forFeature` provides: a collection definition, or a namespace for `@InjectKv({ namespace })`. */
export type PersistPgFeature =
  | CollectionDefinition<any, any>
  | {
      /** Name of the namespace, inside the root. */
      readonly namespace: string;
    };

/** The instance of this very module, whatever its name. */
const INSTANCE = Symbol('nestjs-persistpg instance');
const INSTANCE_NAME = Symbol('nestjs-persistpg instance name');

/** What is made of the instance, and how. */
const services: readonly [PersistPgService, (persist: PersistPg) => unknown][] = [
  [Kv, (persist) => persist.kv],
  [PersistPgCache, (persist) => persist.cache],
  [LockService, (persist) => persist.locks],
  [RateLimiter, (persist) => persist.limiter],
  [Reservations, (persist) => persist.reservations],
  [Sessions, (persist) => persist.sessions],
  [Sweeper, (persist) => persist.sweeper],
];

/** The module: import `forRoot()` once per instance name, `forFeature()` where collections are injected. */
@Module({})
export class PersistPgModule implements OnModuleInit, OnModuleDestroy, OnApplicationShutdown {
  constructor(
    @Inject(INSTANCE) private readonly persist: PersistPg,
    @Inject(INSTANCE_NAME) private readonly name: string,
    @Inject(ModulesContainer) private readonly modules: ModulesContainer,
  ) {}

  /**
   * Registers an instance; without arguments it uses the app's default DataSource, else `PERSISTPG_URL`, else `DATABASE_URL`.
   *
   * @example imports: [TypeOrmModule.forRoot({ type: 'postgres', url }), PersistPgModule.forRoot({ kv: { ttl: '30d' } })]
   */
  static forRoot(options: PersistPgModuleOptions & PersistPgModuleExtras = {}): DynamicModule {
    return withProviders(ConfigurableModuleClass.forRoot(options), options, instanceProvider(options));
  }

  /**
   * Registers an instance whose options come from providers.
   *
   * @example PersistPgModule.forRootAsync({ inject: [ConfigService], useFactory: (config: ConfigService) => ({ url: config.getOrThrow('DATABASE_URL') }) })
   */
  static forRootAsync(options: PersistPgModuleAsyncOptions): DynamicModule {
    return withProviders(ConfigurableModuleClass.forRootAsync(options as never), options, instanceProvider(options));
  }

  /** Provides collections and namespaces of an instance, as `TypeOrmModule.forFeature(entities, dataSource)` does for repositories. */
  static forFeature(features: readonly PersistPgFeature[], name: string = defaultInstance): DynamicModule {
    const providers = features.map((feature): Provider => {
      if ('namespace' in feature) {
        const { namespace } = feature;
        return {
          provide: getKvToken({ name, namespace }),
          inject: [getPersistPgToken(Kv, name)],
          useFactory: (kv: Kv) => kv.namespace(namespace),
        };
      }
      return {
        provide: getCollectionToken(feature, name),
        inject: [getPersistPgToken(PersistPg, name)],
        useFactory: (persist: PersistPg) => collectionOnce(persist, feature),
      };
    });
    return { module: PersistPgFeatureModule, providers, exports: providers.map((provider) => (provider as { provide: symbol }).provide) };
  }

  /** An app that cannot reach its database yet starts; one that is set up wrongly does not. */
  async onModuleInit(): Promise<void> {
    this.refuseTwins();
    connectClasses(this.modules, this.persist, this.name);
    connectHandlers(this.modules, this.persist.expired, this.name);
    try {
      await this.persist.ready();
    } catch (error) {
      if (!(error instanceof DatabaseError) || isPermanent(error)) throw error;
      new Logger('PersistPg').warn(`Not ready yet, operations will try again: ${error.message}`);
    }
  }

  /** The sweeper stops first. */
  async onModuleDestroy(): Promise<void> {
    await this.persist.sweeper.stop();
  }

  /** After the HTTP server has answered what was under way. */
  async onApplicationShutdown(): Promise<void> {
    await this.persist.close();
  }

  private refuseTwins(): void {
    let twins = 0;
    for (const module of this.modules.values()) {
      if (module.instance instanceof PersistPgModule && module.instance.name === this.name) twins++;
    }
    if (twins > 1) {
      throw new ConfigError(
        `PersistPgModule.forRoot() is imported ${twins} times with the name ${JSON.stringify(this.name)}: import it once, or give each a name`,
      );
    }
  }
}

/** Holds what `forFeature` provides. */
@Module({})
export class PersistPgFeatureModule {}

/** @internal The providers of an instance, whatever makes it: the testing module hands in its own. */
export function withProviders(definition: DynamicModule, extras: PersistPgModuleExtras, instance: Provider): DynamicModule {
  const { name = defaultInstance } = extras;
  const whole = getPersistPgToken(PersistPg, name);
  const providers: Provider[] = [
    instance,
    { provide: INSTANCE, useExisting: whole },
    { provide: INSTANCE_NAME, useValue: name },
    ...services.map(([service, make]): Provider => ({ provide: getPersistPgToken(service, name), inject: [whole], useFactory: make })),
  ];
  const exported: (symbol | PersistPgService)[] = [whole, ...services.map(([service]) => getPersistPgToken(service, name))];
  if (name === defaultInstance) {
    for (const service of [PersistPg, ...services.map(([each]) => each)]) {
      providers.push({ provide: service, useExisting: getPersistPgToken(service) });
      exported.push(service);
    }
  }
  return {
    ...definition,
    module: PersistPgModule,
    providers: [...(definition.providers ?? []), ...providers],
    exports: [...(definition.exports ?? []), ...exported] as DynamicModule['exports'] & object,
  };
}

function instanceProvider(extras: PersistPgModuleExtras): Provider {
  const { name = defaultInstance, dataSource } = extras;
  const provide = getPersistPgToken(PersistPg, name);
  if (typeof dataSource === 'object') {
    return { provide, inject: [MODULE_OPTIONS_TOKEN], useFactory: (options: PersistPgModuleOptions) => make(options, dataSource) };
  }
  return {
    provide,
    inject: [MODULE_OPTIONS_TOKEN, { token: dataSourceToken(dataSource), optional: dataSource === undefined }],
    useFactory: (options: PersistPgModuleOptions, found: DataSource | undefined) => make(options, found ?? undefined),
  };
}

/** @internal The tokens of @nestjs/typeorm, which is not needed: the class for the default DataSource, a text for a named one. */
export function dataSourceToken(name: string | undefined): string | typeof DataSource {
  return name === undefined || name === 'default' ? DataSource : `${name}DataSource`;
}

function make(options: PersistPgModuleOptions | null | undefined, dataSource: DataSource | undefined): PersistPg {
  if (typeof options !== 'object' || options === null)
    throw new ConfigError(`forRootAsync() was given ${String(options)} for options: return an object, {} for defaults`);
  return new PgPersistPg(resolveOptions(options), dataSource);
}

const collections = new WeakMap<PersistPg, Map<string, CollectionDefinition<any, any>>>();

function collectionOnce(persist: PersistPg, definition: CollectionDefinition<any, any>): unknown {
  let known = collections.get(persist);
  if (known === undefined) collections.set(persist, (known = new Map()));
  const other = known.get(definition.name);
  if (other !== undefined && other !== definition && !sameOptions(other, definition)) {
    throw new ConfigError(
      `the collection ${JSON.stringify(definition.name)} is defined twice with different options: define it once with defineCollection() and share it`,
    );
  }
  known.set(definition.name, definition);
  return persist.kv.collection(definition);
}

function sameOptions(a: CollectionDefinition<any, any>, b: CollectionDefinition<any, any>): boolean {
  return a.schema === b.schema && a.ttl === b.ttl && a.onInvalid === b.onInvalid && String(a.indexes ?? []) === String(b.indexes ?? []);
}

function isPermanent(error: unknown): boolean {
  return isPersistPgError(error, 'DATABASE') && error.sqlState !== undefined && /^(28|3D|42)/.test(error.sqlState);
}
