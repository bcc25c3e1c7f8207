import { numbers, size } from './figures';
import type { Command } from './command';

const patience = 10_000;

/** What the database says of itself. */
export const status: Command = {
  operands: [0, 0],
  takes: [],
  async run({ options, terminal, persist }) {
    const { readOnly } = await persist.status.ping(patience);
    const { server, schemaVersion, oldestSnapshot, tables } = await persist.status.database(patience);
    const schema = persist.database.schema.name;
    if (options.json === true) {
      await terminal.line(JSON.stringify({ server, readOnly, schema, schemaVersion, oldestSnapshot, tables }));
      return 0;
    }
    await terminal.line(`PostgreSQL ${server}${readOnly ? ', takes no writes' : ''}; schema ${schema}, version ${schemaVersion}`);
    await terminal.line(
      `Oldest snapshot: ${(oldestSnapshot / 1_000).toFixed(1)} s${oldestSnapshot >= 10_000 ? ' (hot keys slow down while it lasts)' : ''}`,
    );
    await terminal.table([
      ['table', 'rows (about)', 'dead rows', 'size', 'durability', 'partitions'],
      ...Object.entries(tables).map(([name, { rows, deadRows, bytes, unlogged, partitions }]) => [
        name,
        numbers(rows),
        numbers(deadRows),
        size(bytes),
        unlogged ? 'unlogged' : 'logged',
        partitions === 0 ? '' : String(partitions),
      ]),
    ]);
    return 0;
  },
};
