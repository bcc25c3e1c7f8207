import { parseArgs } from 'node:util';
import { UsageError } from './usage';

const options = {
  url: { type: 'string' },
  schema: { type: 'string' },
  namespace: { type: 'string' },
  prefix: { type: 'string' },
  nested: { type: 'boolean' },
  limit: { type: 'string' },
  durability: { type: 'string', multiple: true },
  'alter-durability': { type: 'boolean' },
  partitions: { type: 'string' },
  yes: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const;

export type OptionName = keyof typeof options;

/** A command line, taken apart. */
export interface CommandLine {
  readonly command: string | undefined;
  readonly operands: readonly string[];
  readonly options: ReturnType<typeof parse>['values'];
}

function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], options, allowPositionals: true });
}

/** Takes a command line apart; throws `UsageError` on what is no option. */
export function readArguments(args: readonly string[]): CommandLine {
  try {
    const { values, positionals } = parse(args);
    const [command, ...operands] = positionals;
    return { command, operands, options: values };
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** A whole number of an option. */
export function wholeNumber(name: OptionName, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (!/^\d{1,15}$/.test(value)) throw new UsageError(`--${name} must be a whole number, not ${JSON.stringify(value)}`);
  return Number(value);
}
