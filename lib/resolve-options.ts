import { durationMs } from './duration';
import { noInstrumentation } from './instrumentation';
import { readTtl } from './lock/lease-duration';
import { count, duration, Environment, guarded, oneOf, refuseUnknown, text } from './option-checks';
import { InvalidArgumentError } from './persist-pg.errors';
import type { PersistPgModuleOptions } from './persist-pg.options';
import type { ResolvedOptions } from './resolved-options';
import { readEncryptionKey } from './session/encryption';
import { readSweeperOptions } from './sweeper/sweeper-settings';

const durabilities = ['durable', 'async', 'unlogged'] as const;

const known = {
  '': [
    'url',
    'connection',
    'schema',
    'lanes',
    'pooler',
    'listenUrl',
    'preparedStatements',
    'maxQueued',
    'maxQueuedBytes',
    'applicationName',
    'tuning',
    'timeout',
    'shutdownTimeout',
    'maxKeyLength',
    'maxValueSize',
    'resolveManager',
    'kv',
    'cache',
    'lock',
    'rateLimit',
    'reservation',
    'session',
    'sweeper',
    'instrumentation',
  ],
  schema: ['name', 'autoCreate'],
  tuning: ['statementTimeout', 'lockTimeout', 'statementCacheSize', 'maxQueries', 'maxIdle', 'retryBase', 'maxRetries'],
  kv: ['durability', 'expiry', 'ttl', 'partitions'],
  cache: [
    'ttl',
    'grace',
    'softTimeout',
    'hardTimeout',
    'refreshAhead',
    'jitter',
    'serializer',
    'durability',
    'expiry',
    'timeout',
    'near',
    'maxRows',
    'maxBytes',
  ],
  near: ['maxEntries', 'ttl'],
  lock: ['durability', 'ttl', 'wait'],
  rateLimit: ['durability', 'onError', 'timeout'],
  reservation: ['durability', 'normalize'],
  session: ['durability', 'ttl', 'absoluteTtl', 'touchAfter', 'userId', 'maxPerUser', 'encryptionKeys'],
} as const;

/** The only place where defaults, environment names and checks of options are, but for those of the sweeper, which `start()` reads too. */
export function resolveOptions(options: PersistPgModuleOptions = {}, environment: NodeJS.ProcessEnv = process.env): ResolvedOptions {
  refuseUnknown('', options, known['']);
  const schema = typeof options.schema === 'string' ? { name: options.schema } : (options.schema ?? {});
  const tuning = options.tuning ?? {};
  const kv = options.kv ?? {};
  refuseUnknown('schema', schema, known['schema']);
  refuseUnknown('tuning', tuning, known['tuning']);
  refuseUnknown('kv', kv, known['kv']);
  if (options.url !== undefined && options.connection !== undefined) {
    throw new InvalidArgumentError('connection', 'and url are both given; give one of them');
  }
  const env = new Environment(environment);
  const timeout = duration('timeout', options.timeout, 5_000);
  const retries = tuning.maxRetries ?? env.count('PERSISTPG_SET_MAX_RETRIES') ?? env.count('PERSISTPG_INCR_MAX_RETRIES');
  return {
    url: text('url', options.url),
    connection: options.connection,
    environmentUrl: env.first('PERSISTPG_URL', 'DATABASE_URL'),
    schema: { name: schema.name ?? 'persistpg', autoCreate: schema.autoCreate ?? true },
    lanes: count('lanes', options.lanes ?? env.count('PERSISTPG_POOL_SIZE'), 3, 2, 100),
    pooler: oneOf('pooler', options.pooler ?? 'detect', ['none', 'transaction', 'detect']),
    listenUrl: text('listenUrl', options.listenUrl),
    preparedStatements: options.preparedStatements,
    maxQueued: count('maxQueued', options.maxQueued, 100_000, 1),
    maxQueuedBytes: count('maxQueuedBytes', options.maxQueuedBytes, 256 * 1024 * 1024, 1),
    applicationName: text('applicationName', options.applicationName) ?? 'persistpg',
    tuning: {
      statementTimeout: duration(
        'tuning.statementTimeout',
        tuning.statementTimeout ?? env.ms('PERSISTPG_SESSION_STATEMENT_TIMEOUT_MS'),
        5_000,
      ),
      lockTimeout: duration('tuning.lockTimeout', tuning.lockTimeout ?? env.ms('PERSISTPG_SESSION_LOCK_TIMEOUT_MS'), 200),
      statementCacheSize: count(
        'tuning.statementCacheSize',
        tuning.statementCacheSize ?? env.count('PERSISTPG_STATEMENT_CACHE_SIZE'),
        256,
        1,
      ),
      maxQueries: count('tuning.maxQueries', tuning.maxQueries ?? env.count('PERSISTPG_POOL_MAX_QUERIES'), 50_000, 1),
      maxIdle: duration('tuning.maxIdle', tuning.maxIdle ?? env.seconds('PERSISTPG_POOL_MAX_INACTIVE_LIFETIME'), 300_000),
      retryBase: duration(
        'tuning.retryBase',
        tuning.retryBase ?? env.ms('PERSISTPG_SET_RETRY_BASE_MS') ?? env.ms('PERSISTPG_INCR_RETRY_BASE_MS'),
        10,
      ),
      maxRetries: retries === undefined ? undefined : count('tuning.maxRetries', retries, 0, 0),
    },
    timeout,
    shutdownTimeout: duration('shutdownTimeout', options.shutdownTimeout, 5_000),
    maxKeyLength: count('maxKeyLength', options.maxKeyLength, 1_024, 1, 2_048),
    maxValueSize: count('maxValueSize', options.maxValueSize, 8 * 1024 * 1024, 1, 256 * 1024 * 1024),
    resolveManager: options.resolveManager,
    kv: {
      durability: oneOf('kv.durability', kv.durability ?? env.durability('PERSISTPG_SESSION_SYNC_COMMIT') ?? 'durable', durabilities),
      expiry: oneOf('kv.expiry', kv.expiry ?? 'sweep', ['sweep', 'on-read', 'manual', 'ignore']),
      ttl: kv.ttl === undefined ? undefined : durationMs('kv.ttl', kv.ttl),
      partitions: count('kv.partitions', kv.partitions ?? env.count('PERSISTPG_KV_PARTITIONS'), 0, 0, 1_024),
      mgetTimeout: env.ms('PERSISTPG_MGET_STATEMENT_TIMEOUT_MS') ?? timeout,
      msetTimeout: env.ms('PERSISTPG_MSET_STATEMENT_TIMEOUT_MS') ?? 30_000,
    },
    cache: resolveCache(options.cache ?? {}),
    lock: resolveLock(options.lock ?? {}),
    rateLimit: resolveRateLimit(options.rateLimit ?? {}),
    reservation: resolveReservation(options.reservation ?? {}),
    session: resolveSession(options.session ?? {}),
    sweeper: { ...readSweeperOptions(options.sweeper ?? {}, env), autoStart: options.sweeper?.autoStart ?? true },
    instrumentation: options.instrumentation === undefined ? noInstrumentation : guarded(options.instrumentation),
  };
}

function resolveCache(cache: NonNullable<PersistPgModuleOptions['cache']>): ResolvedOptions['cache'] {
  refuseUnknown('cache', cache, known['cache']);
  const { durability, expiry, timeout, near, maxRows, maxBytes, ...defaults } = cache;
  if (near !== undefined && near !== false) refuseUnknown('cache.near', near, known['near']);
  return {
    durability: oneOf('cache.durability', durability ?? 'unlogged', durabilities),
    expiry: oneOf('cache.expiry', expiry ?? 'sweep', ['sweep', 'manual']),
    timeout: duration('cache.timeout', timeout, 200),
    near:
      near === undefined || near === false
        ? undefined
        : {
            maxEntries: count('cache.near.maxEntries', near.maxEntries, 10_000, 1),
            ttl: duration('cache.near.ttl', near.ttl, 5_000),
          },
    maxRows: maxRows === undefined ? undefined : count('cache.maxRows', maxRows, 0, 1),
    maxBytes: maxBytes === undefined ? undefined : count('cache.maxBytes', maxBytes, 0, 1),
    defaults,
  };
}

function resolveLock(lock: NonNullable<PersistPgModuleOptions['lock']>): ResolvedOptions['lock'] {
  refuseUnknown('lock', lock, known['lock']);
  return {
    durability: oneOf('lock.durability', lock.durability ?? 'durable', ['durable', 'async']),
    ttl: lock.ttl === undefined ? 30_000 : readTtl(lock.ttl, 'lock.ttl'),
    wait: lock.wait === undefined ? 10_000 : durationMs('lock.wait', lock.wait, { zero: true, infinite: true }),
  };
}

function resolveRateLimit(rateLimit: NonNullable<PersistPgModuleOptions['rateLimit']>): ResolvedOptions['rateLimit'] {
  refuseUnknown('rateLimit', rateLimit, known['rateLimit']);
  return {
    durability: oneOf('rateLimit.durability', rateLimit.durability ?? 'unlogged', durabilities),
    onError: oneOf('rateLimit.onError', rateLimit.onError ?? 'allow', ['allow', 'deny', 'memory']),
    timeout: duration('rateLimit.timeout', rateLimit.timeout, 200),
  };
}

function resolveReservation(reservation: NonNullable<PersistPgModuleOptions['reservation']>): ResolvedOptions['reservation'] {
  refuseUnknown('reservation', reservation, known['reservation']);
  const normalize = new Map(Object.entries(reservation.normalize ?? {}));
  for (const [name, normalizer] of normalize) {
    const argument = `reservation.normalize[${JSON.stringify(name)}]`;
    if (!/^[^.]+\..+$/.test(name)) throw new InvalidArgumentError(argument, 'must be named `collection.field`');
    if (typeof normalizer !== 'function') throw new InvalidArgumentError(argument, 'must be a function from text to text');
  }
  return { durability: oneOf('reservation.durability', reservation.durability ?? 'durable', ['durable', 'async']), normalize };
}

function resolveSession(session: NonNullable<PersistPgModuleOptions['session']>): ResolvedOptions['session'] {
  refuseUnknown('session', session, known['session']);
  const { absoluteTtl, touchAfter, userId, maxPerUser, encryptionKeys = [] } = session;
  if (userId !== undefined && typeof userId !== 'function') throw new InvalidArgumentError('session.userId', 'must be a function');
  return {
    durability: oneOf('session.durability', session.durability ?? 'durable', durabilities),
    ttl: duration('session.ttl', session.ttl, 24 * 3_600_000),
    absoluteTtl: absoluteTtl === undefined ? undefined : durationMs('session.absoluteTtl', absoluteTtl),
    touchAfter: touchAfter === undefined ? 60_000 : durationMs('session.touchAfter', touchAfter, { zero: true }),
    userId,
    maxPerUser: maxPerUser === undefined ? undefined : count('session.maxPerUser', maxPerUser, 0, 1),
    encryptionKeys: encryptionKeys.map((given, i) => readEncryptionKey(`session.encryptionKeys[${i}]`, given)),
  };
}
