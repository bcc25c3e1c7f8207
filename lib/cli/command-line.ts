import { PgPersistPg } from '../persist-pg';
import { ConfigError, InvalidArgumentError } from '../persist-pg.errors';
import { resolveOptions } from '../resolve-options';
import { readArguments, type CommandLine } from './arguments';
import { Counted, type Command } from './command';
import { clear, get, keys } from './entries';
import { locks, unlock } from './locks';
import { migrate } from './migrate';
import { status } from './status';
import { sweep } from './sweep';
import { Terminal, type Streams } from './terminal';
import { usage, UsageError } from './usage';

const commands = new Map<string, Command>(Object.entries({ migrate, status, sweep, keys, get, clear, locks, unlock }));
const common: readonly string[] = ['url', 'schema', 'json'];

/** Runs a command line to its end and gives the exit code: 0 done, 1 failed or not found, 2 used wrongly. Never rejects. */
export async function runCommandLine(args: readonly string[], version: () => string, streams: Streams): Promise<number> {
  const terminal = new Terminal(streams, args.includes('--json'));
  try {
    const line = readArguments(args);
    if (line.options.version === true) {
      await terminal.line(version());
      return 0;
    }
    if (line.options.help === true) {
      await terminal.write(usage);
      return 0;
    }
    return await run(commandOf(line), line, terminal);
  } catch (error) {
    const misused = error instanceof UsageError || error instanceof InvalidArgumentError;
    terminal.note(`nestjs-persistpg: ${(error as Error).message}${error instanceof UsageError ? '\nSee nestjs-persistpg --help.' : ''}`);
    return misused ? 2 : 1;
  }
}

function commandOf({ command: name, operands, options }: CommandLine): Command {
  if (name === undefined) throw new UsageError('no command is given');
  const command = commands.get(name);
  if (command === undefined)
    throw new UsageError(`there is no command ${JSON.stringify(name)}; there are ${[...commands.keys()].join(', ')}`);
  const [least, most] = command.operands;
  if (operands.length < least) throw new UsageError(`${name} needs an operand`);
  if (operands.length > most) throw new UsageError(`${name} does not take ${JSON.stringify(operands[most])}`);
  const foreign = Object.keys(options).find((option) => !common.includes(option) && !(command.takes as readonly string[]).includes(option));
  if (foreign !== undefined) throw new UsageError(`${name} does not take --${foreign}`);
  return command;
}

async function run(command: Command, { operands, options }: CommandLine, terminal: Terminal): Promise<number> {
  const counted = new Counted();
  const persist = new PgPersistPg(
    resolveOptions({
      ...command.instance?.(options),
      ...(options.url === undefined ? {} : { url: options.url }),
      // Only `migrate` makes anything: to look must not change what is there.
      schema: { ...(options.schema === undefined ? {} : { name: options.schema }), autoCreate: command.instance !== undefined },
      applicationName: 'nestjs-persistpg',
      sweeper: { autoStart: false },
      instrumentation: counted,
    }),
    undefined,
    { log() {}, warn() {} },
  );
  try {
    if (command.instance === undefined) await persist.ready();
    return await command.run({ operands, options, terminal, persist, counted });
  } catch (error) {
    if (error instanceof ConfigError && command.instance === undefined) throw new ConfigError(advice(error.message), { cause: error });
    throw error;
  } finally {
    terminal.clear();
    await persist.close();
  }
}

function advice(message: string): string {
  return message.includes('is not there in version') ? `${message.split(',')[0]}: run nestjs-persistpg migrate` : message;
}
