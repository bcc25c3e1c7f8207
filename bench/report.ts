import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from './environment';

/** One contender's medians. */
export interface Row {
  readonly name: string;
  readonly about: string;
  /** Operations a second. */
  readonly rate: number;
  readonly rateSpread: readonly [lowest: number, highest: number];
  /** Milliseconds. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** CPU microseconds an operation. */
  readonly nodeCpu: number;
  readonly serverCpu: number | undefined;
  /** Our rate over this one's. */
  readonly ratio?: number;
  readonly ratioSpread?: readonly [lowest: number, highest: number];
  /** The demanded ratio. */
  readonly atLeast?: number;
  readonly ok?: boolean;
}

/** A measured number, with a demand or only to be known. */
export interface Limit {
  readonly what: string;
  readonly measured: number;
  readonly unit: string;
  readonly least?: number;
  readonly most?: number;
  readonly ok?: boolean;
}

/** A table and what belongs to it. */
export interface Section {
  readonly title: string;
  readonly callers?: number;
  readonly rows: readonly Row[];
  readonly limits: readonly Limit[];
  readonly notes: readonly string[];
}

/** What a scenario leaves. */
export interface Result {
  readonly scenario: string;
  readonly question: string;
  readonly quick: boolean;
  readonly environment: Environment;
  readonly sections: readonly Section[];
}

export function printSection({ title, rows, limits, notes }: Section): void {
  console.log(`\n${title}`);
  if (rows.length > 0) printTable([heading, ...rows.map(cells)]);
  for (const limit of limits) console.log(`  ${mark(limit.ok)} ${limit.what}: ${shown(limit.measured)} ${limit.unit}${demand(limit)}`);
  for (const note of notes) console.log(`  ${note}`);
}

/** How many demands were met, and which were not. */
export function printVerdict(results: readonly Result[]): void {
  const demands = results.flatMap(({ sections }) =>
    sections.flatMap(({ title, rows, limits }) => [
      ...rows.map(({ name, ratio, atLeast, ok }) => ({ ok, text: `${title}: ${shown(ratio ?? 0)} x ${name}, at least ${atLeast} x` })),
      ...limits.map((limit) => ({ ok: limit.ok, text: `${title}: ${limit.what} ${shown(limit.measured)} ${limit.unit}${demand(limit)}` })),
    ]),
  );
  const short = demands.filter(({ ok }) => ok === false);
  console.log(`\n${demands.filter(({ ok }) => ok === true).length} demands met, ${short.length} short`);
  for (const { text } of short) console.log(`  short: ${text}`);
}

const heading = [
  '',
  'ops/s',
  '(lowest - highest)',
  'p50 ms',
  'p95 ms',
  'p99 ms',
  'Node us/op',
  'server us/op',
  'ours is',
  '(spread)',
  'must be',
  '',
];

function cells(row: Row): string[] {
  const { rateSpread, ratio, ratioSpread, atLeast } = row;
  return [
    row.name,
    shown(row.rate),
    `(${shown(rateSpread[0])} - ${shown(rateSpread[1])})`,
    shown(row.p50),
    shown(row.p95),
    shown(row.p99),
    shown(row.nodeCpu),
    row.serverCpu === undefined ? 'unknown' : shown(row.serverCpu),
    ratio === undefined ? '' : `${shown(ratio)} x`,
    ratioSpread === undefined ? '' : `(${shown(ratioSpread[0])} - ${shown(ratioSpread[1])})`,
    atLeast === undefined ? '' : `>= ${atLeast} x`,
    mark(row.ok).trim(),
  ];
}

function printTable(lines: readonly string[][]): void {
  const widths = heading.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  for (const line of lines) {
    console.log(`  ${line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')}`.trimEnd());
  }
}

function mark(ok: boolean | undefined): string {
  return ok === undefined ? '     ' : ok ? 'ok   ' : 'SHORT';
}

function demand({ least, most, unit }: Limit): string {
  return least !== undefined ? `, at least ${least} ${unit}` : most !== undefined ? `, at most ${shown(most)} ${unit}` : '';
}

/** Three digits that matter. */
export function shown(number: number): string {
  if (!Number.isFinite(number)) return 'none';
  if (Math.abs(number) >= 100) return Math.round(number).toLocaleString('en-US').replaceAll(',', ' ');
  return Number(number.toPrecision(3)).toString();
}

/** Quick runs are for seeing that everything works: their numbers stay out of the repository. */
export function resultsFolder(quick: boolean): string {
  const root = join(__dirname, '..', '..');
  return quick ? join(root, '.build', 'bench', 'results') : join(root, 'bench', 'results');
}

export function writeResult(result: Result): void {
  const folder = resultsFolder(result.quick);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${result.scenario}.json`), `${JSON.stringify(result, rounded, 2)}\n`);
}

/** All results there are, also those of earlier runs. */
export function readResults(quick: boolean): Result[] {
  const folder = resultsFolder(quick);
  const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
  return files.map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Result);
}

function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
}
