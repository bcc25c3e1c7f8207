import { AsyncResource } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource, type DataSourceOptions } from 'typeorm';
import type { Pool, PoolClient } from 'pg';
import { ClosedError, ConfigError, InvalidArgumentError } from '../persist-pg.errors';

/** Where the database may come from; the first that is given counts. */
export interface SourceOptions {
  readonly url: string | undefined;
  readonly connection: Record<string, unknown> | undefined;
  /** The app's DataSource. */
  readonly dataSource: DataSource | undefined;
  readonly environmentUrl: { readonly name: string; readonly url: string } | undefined;
  /** With the settings found, but at this URL. */
  readonly otherUrl?: { readonly name: string; readonly url: string };
}

/** Whose settings are used, for the log. */
export type SourceKind = 'url' | 'connection' | 'dataSource' | 'environment';

// What belongs to the app's DataSource alone: entities and their synchronisation, startup parameters (which a
// transaction pooler refuses), and settings that are global in `pg`.
const notOurs = [
  'entities',
  'migrations',
  'subscribers',
  'synchronize',
  'migrationsRun',
  'dropSchema',
  'cache',
  'logging',
  'logger',
  'name',
  'schema',
  'applicationName',
  'parseInt8',
  'poolSize',
  'manualInitialization',
  'installExtensions',
  'logNotifications',
  'maxQueryExecutionTime',
  'namingStrategy',
];

// The same of what it hands to `pg`. Pipelining allows no queries of our own making.
const notOurExtra = ['query_timeout', 'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'pipeline'];

/** How long an opening may still take when we close. */
const farewell = 500;

/**
 * Our own DataSource, without entities, over the settings found. It only makes connections: its pool gives the clients
 * that lanes keep for themselves.
 */
export class Source {
  readonly kind: SourceKind;
  private readonly settings: Record<string, unknown>;
  private dataSource: DataSource | undefined;
  private opening: Promise<DataSource> | undefined;
  private closed = false;
  private readonly context = new AsyncResource('persistpg');

  constructor(
    options: SourceOptions,
    private readonly connections: number,
    private readonly connectTimeout: number,
  ) {
    const [kind, settings] = choose(options);
    this.kind = kind;
    const { otherUrl } = options;
    this.settings = otherUrl === undefined ? settings : { ...settings, replication: undefined, url: checkUrl(otherUrl.name, otherUrl.url) };
  }

  /** A client of its own for the caller, until it is released. */
  connect(): Promise<PoolClient> {
    // A client may outlive the call it was made in, and must not keep its AsyncLocalStorage alive.
    return this.context.runInAsyncScope(async () => poolOf(await this.open()).connect());
  }

  async close(): Promise<void> {
    this.closed = true;
    const { opening } = this;
    if (opening !== undefined) await Promise.race([opening.catch(() => undefined), sleep(farewell, undefined, { ref: false })]);
    const { dataSource } = this;
    this.dataSource = undefined;
    if (dataSource === undefined) return;
    // What is still on its way to a server that does not answer.
    breakConnections(dataSource);
    await Promise.race([dataSource.destroy(), sleep(farewell, undefined, { ref: false })]);
  }

  // One opening for all who wait; a failed one is forgotten, so that the next call tries again.
  private open(): Promise<DataSource> {
    if (this.closed) return Promise.reject(new ClosedError('the instance is closed'));
    if (this.dataSource !== undefined) return Promise.resolve(this.dataSource);
    this.opening ??= this.initialize().finally(() => (this.opening = undefined));
    return this.opening;
  }

  private async initialize(): Promise<DataSource> {
    const extra = { ...(this.settings['extra'] as Record<string, unknown> | undefined) };
    for (const name of notOurExtra) delete extra[name];
    const dataSource = new DataSource({
      ...this.settings,
      type: 'postgres',
      applicationName: undefined,
      installExtensions: false,
      poolErrorHandler: () => {},
      extra: {
        connectionTimeoutMillis: this.connectTimeout,
        ...extra,
        max: this.connections,
        min: 0,
        idleTimeoutMillis: 10_000,
        allowExitOnIdle: true,
        application_name: undefined,
      },
    } as unknown as DataSourceOptions);
    // TypeORM asks for version and schema first, and a server or pooler that lets us in need not answer that.
    const patience = setInterval(() => breakConnections(dataSource), this.connectTimeout);
    patience.unref();
    try {
      await dataSource.initialize();
    } catch (error) {
      breakConnections(dataSource);
      throw error;
    } finally {
      clearInterval(patience);
    }
    // A server that goes down may say so together with its welcome, before whoever asked for the client can listen.
    poolOf(dataSource).on('connect', (client) => client.on('error', () => {}));
    if (this.closed) await dataSource.destroy();
    else this.dataSource = dataSource;
    return dataSource;
  }
}

/** The `pg` pool under a DataSource; there is none before `initialize()` and after `destroy()`. */
function poolOf(dataSource: DataSource): Pool {
  const { master } = dataSource.driver as unknown as { master?: Pool };
  if (master === undefined) throw new Error('the DataSource is not initialized');
  return master;
}

function breakConnections(dataSource: DataSource): void {
  const { master } = dataSource.driver as unknown as { master?: { _clients?: { connection?: { stream?: { destroy(): void } } }[] } };
  for (const { connection } of [...(master?._clients ?? [])]) connection?.stream?.destroy();
}

function choose(options: SourceOptions): [SourceKind, Record<string, unknown>] {
  if (options.url !== undefined) return ['url', { url: checkUrl('url', options.url) }];
  if (options.connection !== undefined) return ['connection', ours('connection', options.connection)];
  if (options.dataSource !== undefined)
    return ['dataSource', ours('dataSource', options.dataSource.options as unknown as Record<string, unknown>)];
  if (options.environmentUrl !== undefined)
    return ['environment', { url: checkUrl(options.environmentUrl.name, options.environmentUrl.url) }];
  throw new ConfigError(
    'no database: give forRoot() a url or connection, or a dataSource (its name or itself), or let the app have a default TypeORM DataSource, ' +
      'or set PERSISTPG_URL or DATABASE_URL. If the app has a DataSource of another copy of typeorm, hand it over as dataSource',
  );
}

function ours(argument: string, settings: Record<string, unknown>): Record<string, unknown> {
  const { type } = settings;
  if (type !== undefined && type !== 'postgres') throw new InvalidArgumentError(argument, `is for ${String(type)}; only postgres will do`);
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !notOurs.includes(name)));
}

function checkUrl(argument: string, url: string): string {
  if (!/^postgres(ql)?:\/\//.test(url)) throw new InvalidArgumentError(argument, 'must begin with postgres:// or postgresql://');
  return url;
}
