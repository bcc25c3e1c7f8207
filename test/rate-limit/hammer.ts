import { expect } from 'vitest';
import type { RateLimitRule } from '../../lib/rate-limit/rate-limiter';
import type { Child } from '../support/child';
import type { TestDatabase } from '../support/database';
import { Reference } from './reference';

/** How hard the limits are hit. */
export interface Force {
  readonly processes: number;
  /** In each process. */
  readonly callers: number;
  readonly keys: number;
  readonly ms: number;
  /** Each goes on until it has been allowed and refused so often, for ten seconds more at most. */
  readonly least: number;
}

/** Rules that are hit together, and what a hit costs, one of these as it comes. */
export interface Target {
  readonly name: string;
  readonly rules: readonly RateLimitRule[];
  readonly costs: readonly number[];
}

/** What a statement found and did in a row, in the order of `written`; times in microseconds of the database. */
export interface LoggedRow {
  readonly key: string;
  readonly target: string;
  readonly at: number;
  readonly cost: number;
  readonly asked: number;
  readonly granted: number;
  /** Of each rule, in the order of the target's rules: cost counted before. */
  readonly used: readonly number[];
}

/** What a process says at its end. */
interface Log {
  readonly rows: LoggedRow[];
  readonly allowed: number;
  readonly refused: number;
  /** Its time, in milliseconds. */
  readonly clock: number;
}

export interface Hammered {
  readonly rows: number;
  readonly allowed: number;
  readonly refused: number;
}

const hour = 3_600_000;

/** The clocks of the processes are wrong, each in another way. */
const hoursOff = [0, 1, -1];

function clockOff(hours: number): string {
  const module = `const { now } = Date; Date.now = () => now() + ${hours * hour};
globalThis.Date = class extends Date { constructor(...given) { super(...(given.length > 0 ? given : [Date.now()])); } };`;
  return `--import=data:text/javascript,${encodeURIComponent(module)}`;
}

/** Several processes hit the same keys as hard as they can; afterwards every row that any statement has written is judged once more by the definitions. */
export async function hammer(
  { url, schema }: TestDatabase,
  child: (script: string, environment?: NodeJS.ProcessEnv) => Child,
  targets: readonly Target[],
  force: Force,
): Promise<Hammered> {
  const processes = Array.from({ length: force.processes }, (_, i) =>
    child(script({ url, schema, targets, force, remembers: i % 2 === 0 }), { NODE_OPTIONS: clockOff(hoursOff[i % hoursOff.length]!) }),
  );
  const ended = await Promise.all(processes.map((each) => each.ended));
  for (const { code, stderr } of ended) expect(code, stderr).toBe(0);
  const logs = ended.map(({ stdout }) => JSON.parse(/log (.*)/.exec(stdout)![1]!) as Log);
  logs.forEach(({ clock }, i) => expect(Math.round((clock - Date.now()) / hour)).toBeCloseTo(hoursOff[i % hoursOff.length]!));
  const rows = logs.flatMap((log) => log.rows);
  const allowed = logs.reduce((sum, log) => sum + log.allowed, 0);
  expect(allowed, 'every allowed hit was granted by a row').toBe(rows.reduce((sum, { granted, cost }) => sum + granted / cost, 0));
  for (const target of targets)
    judgeAgain(
      target,
      rows.filter((row) => row.target === target.name),
    );
  return { rows: rows.length, allowed, refused: logs.reduce((sum, log) => sum + log.refused, 0) };
}

function judgeAgain({ name, rules }: Target, rows: readonly LoggedRow[]): void {
  const byKey = new Map<string, LoggedRow[]>();
  for (const row of rows) {
    const ofKey = byKey.get(row.key);
    if (ofKey === undefined) byKey.set(row.key, [row]);
    else ofKey.push(row);
  }
  for (const [key, ofKey] of byKey) {
    const reference = new Reference(rules);
    // Statements of one microsecond follow each other by what they found.
    const inOrder = ofKey.toSorted(
      (a, b) => a.at - b.at || a.used.reduce((x, y) => x + y) - b.used.reduce((x, y) => x + y) || a.granted - b.granted,
    );
    for (const row of inOrder) {
      const about = `${name}, ${key}: ${JSON.stringify(row)}`;
      expect(row.used, about).toEqual(reference.usedAt(row.at));
      expect(row.granted, about).toBe(reference.grant(row.at, row.asked, row.cost));
    }
  }
}

function script(given: { url: string; schema: string; targets: readonly Target[]; force: Force; remembers: boolean }): string {
  return `
const given = ${JSON.stringify(given)};
const loaded = (name) => require(Object.keys(require.cache).find((path) => path.endsWith(name)));
const { HitKind } = loaded('/rate-limit/rate-limit-hits.js');
const { Refusals } = loaded('/rate-limit/refusals.js');
const { readCounts } = loaded('/rate-limit/stored-counts.js');
// Half of the processes ask the database about every hit.
if (!given.remembers) Refusals.prototype.verdict = () => undefined;
const persist = createPersistPg({ url: given.url, schema: given.schema, rateLimit: { timeout: '20s', onError: 'deny' }, sweeper: { interval: 200 } });
const rows = [];
const { settle } = HitKind.prototype;
HitKind.prototype.settle = function (unit, judged) {
  const { rules, cost } = unit.input;
  const { counts, granted, at } = readCounts(this.shape, judged.row);
  const target = unit.key.split(' ')[0];
  rows.push({ key: unit.key, target, at, cost, asked: unit.calls.length * cost, granted, used: rules.places.map((place) => counts[place].used) });
  return settle.call(this, unit, judged);
};
const end = performance.now() + given.force.ms;
let allowed = 0, refused = 0;
const goesOn = () => {
  const over = performance.now() - end;
  return over < 0 || (over < 10_000 && Math.min(allowed, refused) < given.force.least);
};
const any = (of) => of[Math.floor(Math.random() * of.length)];
await Promise.all(Array.from({ length: given.force.callers }, async () => {
  while (goesOn()) {
    const { name, rules, costs } = any(given.targets);
    const key = name + ' ' + Math.floor(Math.random() * given.force.keys);
    const result = await persist.limiter.consume(key, rules, any(costs));
    if (result.allowed) allowed++;
    else {
      refused++;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}));
await persist.close();
console.log('log ' + JSON.stringify({ rows, allowed, refused, clock: Date.now() }));
`;
}
