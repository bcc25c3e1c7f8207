import type { Instrumentation } from '../instrumentation';
import type { PgPersistPg } from '../persist-pg';
import type { PersistPgModuleOptions } from '../persist-pg.options';
import type { CommandLine, OptionName } from './arguments';
import type { Terminal } from './terminal';

/** What a command works with. */
export interface Context {
  readonly operands: readonly string[];
  readonly options: CommandLine['options'];
  readonly terminal: Terminal;
  readonly persist: PgPersistPg;
  /** Told of each number that the instance sends, to show progress. */
  readonly counted: Counted;
}

/** Listens to the counters of the instance. */
export class Counted implements Instrumentation {
  listener: (name: string, by: number, labels: Readonly<Record<string, string>>) => void = () => {};

  count(name: string, by: number, labels: Readonly<Record<string, string>> = {}): void {
    this.listener(name, by, labels);
  }
  gauge(): void {}
  record(): void {}
}

/** A command: what it takes, and what it does; gives the exit code. */
export interface Command {
  /** Fewest and most operands. */
  readonly operands: readonly [least: number, most: number];
  /** Options beside those that every command takes. */
  readonly takes: readonly OptionName[];
  /** What the instance is made with. */
  instance?(options: CommandLine['options']): PersistPgModuleOptions;
  run(context: Context): Promise<number>;
}
