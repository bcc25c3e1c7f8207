import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { Logger } from '@nestjs/common';
import { Bench, type Effort, type Scenario } from './bench';
import { writeCharts } from './chart';
import { environmentOf, printEnvironment } from './environment';
import { printSection, printVerdict, readResults, writeResult, type Section } from './report';
import { bigValues } from './scenarios/big-values';
import { cachedHttp } from './scenarios/cached-http';
import { get } from './scenarios/get';
import { hotUpdates } from './scenarios/hot-updates';
import { idleSweep } from './scenarios/idle-sweep';
import { incr } from './scenarios/incr';
import { keyCounts } from './scenarios/key-counts';
import { keyv } from './scenarios/keyv';
import { largeMset } from './scenarios/large-mset';
import { limiter } from './scenarios/limiter';
import { lockedKey } from './scenarios/locked-key';
import { locks } from './scenarios/locks';
import { mget } from './scenarios/mget';
import { mixed } from './scenarios/mixed';
import { mset } from './scenarios/mset';
import { nearCache } from './scenarios/near-cache';
import { oldSnapshot } from './scenarios/old-snapshot';
import { queuedSets } from './scenarios/queued-sets';
import { sessionHttp } from './scenarios/session-http';
import { set } from './scenarios/set';
import { singleCaller } from './scenarios/single-caller';
import { statementMemory } from './scenarios/statement-memory';
import { sweep } from './scenarios/sweep';
import { tagEviction } from './scenarios/tag-eviction';
import { throttledHttp } from './scenarios/throttled-http';
import { valueSizes } from './scenarios/value-sizes';
import { startPostgres } from './servers';

const scenarios: readonly Scenario[] = [
  get,
  set,
  mget,
  mset,
  incr,
  mixed,
  singleCaller,
  largeMset,
  hotUpdates,
  keyCounts,
  valueSizes,
  bigValues,
  lockedKey,
  oldSnapshot,
  queuedSets,
  statementMemory,
  sweep,
  idleSweep,
  keyv,
  cachedHttp,
  nearCache,
  tagEviction,
  limiter,
  locks,
  throttledHttp,
  sessionHttp,
];

const usage = `npm run bench                          all scenarios
npm run bench -- get set               these
npm run bench -- --quick               short rounds, to see that everything runs
npm run bench -- key-counts --large    also 10^6 and 10^7 keys: some 5 GB and ten minutes
npm run bench -- --list                names and questions`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      large: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      /** Runs the scenario here; without it each gets a process of its own. */
      inside: { type: 'boolean', default: false },
    },
  });
  const unknown = positionals.find((name) => !scenarios.some((scenario) => scenario.name === name));
  if (unknown !== undefined) throw new Error(`there is no scenario ${unknown}; there are ${scenarios.map(({ name }) => name).join(', ')}`);
  if (values.help) return console.log(usage);
  if (values.list) return scenarios.forEach(({ name, question }) => console.log(`${name.padEnd(17)} ${question}`));
  const chosen = positionals.length === 0 ? scenarios : scenarios.filter(({ name }) => positionals.includes(name));
  const effort: Effort = { quick: values.quick, large: values.large };
  if (values.inside) {
    for (const scenario of chosen) await runInside(scenario, effort);
  } else {
    await runAll(chosen, effort);
  }
}

/** Each scenario in a process and with servers of its own: no heap, no compiled code and no table is another's. */
async function runAll(chosen: readonly Scenario[], effort: Effort): Promise<void> {
  const failed: string[] = [];
  for (const { name } of chosen) {
    const flags = Object.entries(effort).flatMap(([flag, on]) => (on ? [`--${flag}`] : []));
    const child = spawn(process.execPath, [__filename, '--inside', name, ...flags], { stdio: 'inherit' });
    const code = await new Promise((resolve) => child.once('exit', resolve));
    if (code !== 0) failed.push(name);
  }
  const done = chosen.filter(({ name }) => !failed.includes(name)).map(({ name }) => name);
  printVerdict(readResults(effort.quick).filter(({ scenario }) => done.includes(scenario)));
  const charts = writeCharts(effort.quick);
  console.log(`${['the numbers', ...charts].join(', ')}: in ${effort.quick ? '.build/bench/results' : 'bench/results'}`);
  if (failed.length > 0) throw new Error(`failed: ${failed.join(', ')}`);
}

async function runInside({ name, question, postgres: settings, run }: Scenario, effort: Effort): Promise<void> {
  console.log(`\n=== ${name}: ${question}`);
  const postgres = await startPostgres(settings?.(effort));
  const bench = new Bench(effort, postgres);
  try {
    const environment = environmentOf(postgres, await bench.redis());
    printEnvironment(environment);
    const sections: Section[] = [];
    for await (const section of run(bench)) {
      printSection(section);
      sections.push(section);
    }
    writeResult({ scenario: name, question, quick: effort.quick, environment, sections });
  } finally {
    await bench.close();
    await postgres.stop();
  }
}

// Warnings matter here, the line that says that we are ready does not.
Logger.overrideLogger(['warn', 'error']);
// So that the servers end with us.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error instanceof Error && error.message.startsWith('there is no scenario') ? error.message : error);
    process.exit(1);
  },
);
