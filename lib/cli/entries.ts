import type { Kv } from '../kv/kv';
import type { PgPersistPg } from '../persist-pg';
import { wholeNumber, type CommandLine } from './arguments';
import type { Command } from './command';
import { numbers } from './figures';

function kvOf(persist: PgPersistPg, { namespace }: CommandLine['options']): Kv {
  return namespace === undefined || namespace === '' ? persist.kv : persist.kv.namespace(namespace);
}

function filterOf(glob: string | undefined, { prefix }: CommandLine['options']): { match?: string; prefix?: string } {
  return { ...(glob === undefined ? {} : { match: glob }), ...(prefix === undefined ? {} : { prefix }) };
}

/** Lists keys in key order, page by page. */
export const keys: Command = {
  operands: [0, 1],
  takes: ['namespace', 'prefix', 'limit'],
  async run({ operands: [glob], options, terminal, persist }) {
    const limit = wholeNumber('limit', options.limit) ?? Infinity;
    const json = options.json === true;
    let listed = 0;
    if (json) await terminal.write('[');
    if (limit > 0) {
      for await (const key of kvOf(persist, options).keys(filterOf(glob, options))) {
        if (json) await terminal.write((listed === 0 ? '' : ',') + JSON.stringify(key));
        else await terminal.line(key);
        if (++listed >= limit || terminal.closed) break;
      }
    }
    if (json) await terminal.line(']');
    return 0;
  },
};

/** Shows a value: JSON as JSON, text and bytes as they are. */
export const get: Command = {
  operands: [1, 1],
  takes: ['namespace'],
  async run({ operands, options, terminal, persist }) {
    const [key] = operands as [string];
    const entry = await kvOf(persist, options).getEntry(key);
    if (entry === undefined) {
      terminal.note(`There is no live entry under the key ${JSON.stringify(key)}.`);
      return 1;
    }
    const { value } = entry;
    if (options.json === true) {
      const shown = Buffer.isBuffer(value) ? { base64: value.toString('base64') } : { value };
      const { version, createdAt, updatedAt, expiresAt = null } = entry;
      await terminal.line(JSON.stringify({ key, ...shown, version, createdAt, updatedAt, expiresAt }));
    } else if (Buffer.isBuffer(value)) {
      await terminal.write(value);
    } else {
      await terminal.line(typeof value === 'string' ? value : JSON.stringify(value, undefined, 2));
    }
    return 0;
  },
};

/** Rows that one step of the library deletes. */
const deleteStep = 1_000;

/** Deletes entries of a namespace. */
export const clear: Command = {
  operands: [0, 0],
  takes: ['namespace', 'prefix', 'nested', 'yes'],
  async run({ options, terminal, persist, counted }) {
    const kv = kvOf(persist, options);
    const { prefix, nested = false } = options;
    const total = await kv.count({ ...filterOf(undefined, options), includeExpired: true });
    const where = kv.namespaceName === '' ? 'the root namespace' : `the namespace ${JSON.stringify(kv.namespaceName)}`;
    const what = `${numbers(total)} entries of ${where}${prefix === undefined ? '' : ` that begin with ${JSON.stringify(prefix)}`}${nested ? ', and all inside it' : ''}`;
    if (options.yes !== true && !(await terminal.confirm(`Delete ${what}?`))) {
      terminal.note(`Nothing was deleted. To delete ${what}, give --yes.`);
      return 2;
    }
    let steps = 0;
    counted.listener = (name, by, { kind }) => {
      if (name !== 'persistpg_statements_total' || (kind !== 'clear' && kind !== 'delete_prefix')) return;
      steps += by;
      const done = Math.min(total, Math.max(0, steps - 2) * deleteStep);
      terminal.progress(`${numbers(done)} of ${numbers(total)}`, nested ? undefined : done, total);
    };
    const deleted = prefix === undefined ? await kv.clear({ nested }) : await kv.deletePrefix(prefix);
    await terminal.line(options.json === true ? JSON.stringify({ deleted }) : `Deleted ${numbers(deleted)} entries.`);
    return 0;
  },
};
