import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as core from '../../lib/index';
import * as health from '../../lib/integrations/health/index';
import * as opentelemetry from '../../lib/integrations/opentelemetry/index';
import * as prometheus from '../../lib/integrations/prometheus/index';
import * as schedule from '../../lib/integrations/schedule/index';
import * as sessionExpress from '../../lib/integrations/session-express/index';
import * as sessionFastify from '../../lib/integrations/session-fastify/index';
import * as throttler from '../../lib/integrations/throttler/index';
import * as testing from '../../lib/testing/index';

const checkout = join(__dirname, '../..');
const manifest = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as {
  exports: Record<string, unknown>;
  dependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
  peerDependenciesMeta: Record<string, { optional?: boolean }>;
};

describe('the entry', () => {
  it('. exports these names', () => {
    expect(Object.keys(core).toSorted()).toMatchInlineSnapshot(`
      [
        "By",
        "CACHE",
        "CacheEvict",
        "Cached",
        "DatabaseError",
        "FactoryFailedError",
        "FactoryTimeoutError",
        "InjectCollection",
        "InjectKv",
        "InjectPersistPg",
        "InvalidArgumentError",
        "InvalidValueError",
        "KV",
        "KeyLockedError",
        "KeyNotFoundError",
        "Kv",
        "LOCKS",
        "LockLostError",
        "LockService",
        "LockTimeoutError",
        "NoTransactionError",
        "NotANumberError",
        "OnExpired",
        "OperationTimeoutError",
        "PERSIST_PG",
        "PersistPg",
        "PersistPgCache",
        "PersistPgError",
        "PersistPgModule",
        "QueueFullError",
        "RATE_LIMITER",
        "RESERVATIONS",
        "RateLimit",
        "RateLimitExceededError",
        "RateLimitGuard",
        "RateLimiter",
        "ReservationConflictError",
        "Reservations",
        "SESSIONS",
        "SWEEPER",
        "SessionGoneError",
        "Sessions",
        "Sweeper",
        "WithLock",
        "createPersistPg",
        "createPersistPgMigration",
        "defineCollection",
        "getCollectionToken",
        "getKvToken",
        "getPersistPgToken",
        "isNotFound",
        "isPersistPgError",
        "isRetryable",
        "normalizeEmail",
        "normalizeUsername",
        "parseDuration",
      ]
    `);
  });

  it('./testing exports these names', () => {
    expect(Object.keys(testing).toSorted()).toMatchInlineSnapshot(`
      [
        "PersistPgTestingModule",
        "bindPersistPg",
        "createMemoryKv",
        "createMemoryPersistPg",
        "startPostgres",
      ]
    `);
  });

  it('./throttler exports these names', () => {
    expect(Object.keys(throttler).toSorted()).toEqual(['PersistPgThrottlerGuard', 'PersistPgThrottlerStorage']);
  });

  it('./session/express and ./session/fastify export these names', () => {
    expect(Object.keys(sessionExpress)).toEqual(['PersistPgSessionStore']);
    expect(Object.keys(sessionFastify)).toEqual(['PersistPgSessionStore']);
  });

  it('./health, ./schedule, ./prometheus and ./opentelemetry export these names', () => {
    expect(Object.keys(health).toSorted()).toEqual(['PersistPgHealthIndicator', 'PersistPgHealthModule']);
    expect(Object.keys(schedule)).toEqual(['PersistPgScheduleModule']);
    expect(Object.keys(prometheus)).toEqual(['prometheus']);
    expect(Object.keys(opentelemetry)).toEqual(['opentelemetry']);
  });

  it('list is closed', () => {
    expect(Object.keys(manifest.exports)).toEqual([
      '.',
      './health',
      './keyv',
      './opentelemetry',
      './prometheus',
      './schedule',
      './session/express',
      './session/fastify',
      './testing',
      './throttler',
      './package.json',
    ]);
  });
});

describe('the core', { timeout: 60_000 }, () => {
  it('loads with nothing installed but its dependencies and required peers', () => {
    const app = mkdtempSync(join(tmpdir(), 'bare-'));
    const modules = join(app, 'node_modules');
    const tsc = join(checkout, 'node_modules/typescript/bin/tsc');
    try {
      execFileSync(process.execPath, [tsc, '-p', join(checkout, 'lib/tsconfig.json'), '--outDir', join(modules, 'nestjs-persistpg')]);
      const required = Object.keys(manifest.peerDependencies).filter((name) => !manifest.peerDependenciesMeta[name]?.optional);
      for (const name of [...required, ...Object.keys(manifest.dependencies)]) {
        mkdirSync(dirname(join(modules, name)), { recursive: true });
        symlinkSync(join(checkout, 'node_modules', name), join(modules, name), 'junction');
      }
      const run = (script: string) =>
        execFileSync(process.execPath, ['-e', script], { cwd: app, encoding: 'utf8', stdio: 'pipe', timeout: 10_000 });
      expect(run(`require('nestjs-persistpg'); require('nestjs-persistpg/testing'); console.log('loaded')`)).toBe('loaded\n');
      expect(() => run(`require('keyv')`)).toThrow("Cannot find module 'keyv'");
      expect(run(`require('nestjs-persistpg/integrations/session-fastify'); console.log('loaded')`)).toBe('loaded\n');
      expect(() => run(`require('express-session')`)).toThrow("Cannot find module 'express-session'");
    } finally {
      rmSync(app, { recursive: true, force: true });
    }
  });
});
