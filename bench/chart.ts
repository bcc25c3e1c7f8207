import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { init } from 'echarts';
import { readResults, resultsFolder, type Row } from './report';

/** A picture of one area. */
interface Area {
  readonly file: string;
  readonly title: string;
  /** Scenario and title of the tables that are drawn, with what stands below; those that were never measured are left out. */
  readonly groups: readonly (readonly [scenario: string, title: string, label: string])[];
  /** Contenders with what the legend says of them, ours first. */
  readonly contenders: Readonly<Record<string, string>>;
}

const redisWithoutDisk = 'Redis without a disk';

const areas: readonly Area[] = [
  {
    file: 'kv.svg',
    title: 'Key/value: operations a second, 100 concurrent callers, one Node process',
    groups: [
      ['get', 'get, callers: 100', 'get'],
      ['set', 'set (unlogged), callers: 100', 'set, unlogged'],
      ['set', 'set (durable), callers: 100', 'set, durable'],
      ['incr', 'incr on 100 keys (unlogged), callers: 100', 'incr, unlogged'],
      ['mixed', '80 % get, 20 % set (unlogged), callers: 100', '80/20, unlogged'],
    ],
    contenders: {
      'nestjs-persistpg': 'nestjs-persistpg',
      ioredis: `ioredis (${redisWithoutDisk})`,
      'bare pg': 'bare pg, prepared, pool of 10',
      '@keyv/postgres': '@keyv/postgres',
    },
  },
  {
    file: 'cache.svg',
    title: 'Keyv, as cache-manager uses it: operations a second, one Node process',
    groups: [
      ['keyv', 'Keyv get, callers: 100', 'get, 100 callers'],
      ['keyv', 'Keyv set, callers: 100', 'set, 100 callers'],
      ['keyv', 'Keyv get, callers: 1000', 'get, 1 000 callers'],
      ['keyv', 'Keyv set, callers: 1000', 'set, 1 000 callers'],
    ],
    contenders: {
      'nestjs-persistpg': 'nestjs-persistpg',
      '@keyv/redis': `@keyv/redis (${redisWithoutDisk})`,
      '@keyv/postgres': '@keyv/postgres',
    },
  },
  {
    file: 'limits.svg',
    title: 'Rate limits: hits counted a second, one Node process',
    groups: [
      ['limiter', 'one rule, callers: 100', 'one rule, 100 callers'],
      ['limiter', 'one rule, callers: 1000', 'one rule, 1 000 callers'],
      ['limiter', 'two rules, callers: 100', 'two rules, 100 callers'],
    ],
    contenders: {
      'nestjs-persistpg': 'nestjs-persistpg',
      'rate-limiter-flexible, Redis': `rate-limiter-flexible, ${redisWithoutDisk}`,
      'rate-limiter-flexible, PostgreSQL': 'rate-limiter-flexible, PostgreSQL',
    },
  },
  {
    file: 'locks.svg',
    title: 'Locks taken and released a second, one Node process',
    groups: [
      ['locks', 'acquire and release of distinct names, callers: 1', '1 caller'],
      ['locks', 'acquire and release of distinct names, callers: 10', '10 callers'],
      ['locks', 'acquire and release of distinct names, callers: 100', '100 callers'],
    ],
    contenders: {
      'nestjs-persistpg': 'nestjs-persistpg (durable)',
      redlock: `redlock (one ${redisWithoutDisk})`,
      'redlock, appendfsync always': 'redlock (one Redis that writes to disk)',
      'bare pg': 'bare pg, prepared, pool of 10 (durable)',
    },
  },
  {
    file: 'http.svg',
    title: 'HTTP requests a second, 100 connections, caller and app in one Node process',
    groups: [
      ['cached-http', 'GET behind CacheInterceptor, callers: 100', 'CacheInterceptor'],
      ['throttled-http', 'GET behind one throttler, callers: 100', 'ThrottlerGuard'],
      ['session-http', 'reads the session, and writes it on one request in ten, callers: 100', 'sessions'],
    ],
    contenders: {
      'nestjs-persistpg': 'nestjs-persistpg',
      '@keyv/redis|@nest-lab/throttler-storage-redis|connect-redis': `@keyv/redis, throttler-storage-redis, connect-redis (${redisWithoutDisk})`,
      '@keyv/postgres|connect-pg-simple': '@keyv/postgres, connect-pg-simple',
      'in memory|MemoryStore': 'in memory of the process',
    },
  },
];
const colors = ['#2f6f4f', '#c2503f', '#6a89b0', '#b9b9b9'];

/** An SVG for each area, from all results there are; gives their names. */
export function writeCharts(quick: boolean): string[] {
  const sections = readResults(quick).flatMap(({ scenario, sections: own }) => own.map((section) => ({ scenario, ...section })));
  return areas.flatMap(({ file, title, groups, contenders }) => {
    const shown = groups.flatMap(([scenario, table, label]) => {
      const section = sections.find((each) => each.scenario === scenario && each.title === table);
      return section === undefined ? [] : [{ label, rows: section.rows }];
    });
    if (shown.length === 0) return [];
    const chart = init(null, null, { renderer: 'svg', ssr: true, width: 900, height: 420 });
    chart.setOption({
      animation: false,
      backgroundColor: '#fff',
      color: colors,
      title: { text: title, left: 'center', textStyle: { fontSize: 15 } },
      legend: { bottom: 0 },
      grid: { left: 60, right: 20, top: 60, bottom: 60 },
      xAxis: { type: 'category', data: shown.map(({ label }) => label) },
      yAxis: { type: 'value', axisLabel: { formatter: (rate: number) => `${rate / 1_000} k` } },
      series: Object.entries(contenders).map(([names, legend]) => ({
        name: legend,
        type: 'bar',
        barGap: '10%',
        data: shown.map(({ rows }) => rateOf(rows, names.split('|'))),
        label: { show: true, position: 'top', fontSize: 9, formatter: ({ value }: { value: unknown }) => thousands(value) },
      })),
    });
    writeFileSync(join(resultsFolder(quick), file), `${chart.renderToSVGString()}\n`);
    chart.dispose();
    return [file];
  });
}

function rateOf(rows: readonly Row[], names: readonly string[]): number | null {
  return rows.find((row) => names.includes(row.name))?.rate ?? null;
}

function thousands(value: unknown): string {
  return typeof value === 'number' ? `${(value / 1_000).toFixed(value < 10_000 ? 1 : 0)} k` : '';
}
