import { durableTables, type DurableOption } from '../database/durability';
import type { Durability } from '../persist-pg.options';
import { wholeNumber, type CommandLine } from './arguments';
import type { Command } from './command';
import { UsageError } from './usage';

type Wanted = Partial<Record<DurableOption, Durability>>;

const durabilities: readonly string[] = ['durable', 'async', 'unlogged'];

/** Makes the schema or brings it to this version; rewrites tables only when asked. */
export const migrate: Command = {
  operands: [0, 0],
  takes: ['durability', 'alter-durability', 'partitions'],

  instance(options) {
    const wanted = readDurability(options);
    if (options['alter-durability'] === true && Object.keys(wanted).length === 0) {
      throw new UsageError('--alter-durability needs --durability <table>=<durability>, for the tables to alter');
    }
    const partitions = wholeNumber('partitions', options.partitions);
    const { kv, ...others } = Object.fromEntries(Object.entries(wanted).map(([name, durability]) => [name, { durability }])) as Record<
      string,
      { durability: never }
    >;
    return { ...others, kv: { ...kv, ...(partitions === undefined ? {} : { partitions }) } };
  },

  async run({ options, terminal, persist }) {
    const { database } = persist;
    const from = await database.schemaVersion();
    await persist.ready();
    const to = await database.schemaVersion();
    const altered =
      options['alter-durability'] === true
        ? await database.alterDurability(readDurability(options), (relation, done, total) => terminal.progress(relation, done, total))
        : [];
    if (options.json === true) {
      await terminal.line(JSON.stringify({ schema: database.schema.name, from: from ?? null, to, altered }));
      return 0;
    }
    const said =
      from === to ? `is at version ${to}` : from === undefined ? `was made, version ${to}` : `was brought from version ${from} to ${to}`;
    await terminal.line(`Schema ${database.schema.name} ${said}.`);
    for (const relation of altered) await terminal.line(`Rewrote ${relation}.`);
    return 0;
  },
};

function readDurability({ durability = [] }: CommandLine['options']): Wanted {
  const wanted: Wanted = {};
  for (const text of durability) {
    const [table = '', value = ''] = text.split('=');
    if (!(table in durableTables) || !durabilities.includes(value)) {
      throw new UsageError(
        `--durability ${text}: must be one of ${Object.keys(durableTables).join(', ')}, then = and one of ${durabilities.join(', ')}`,
      );
    }
    wanted[table as DurableOption] = value as Durability;
  }
  return wanted;
}
