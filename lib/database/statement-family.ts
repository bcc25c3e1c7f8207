import { prepared, unprepared, type Statement } from './identifier';
import type { InlineSettings, Port } from './lanes';

/**
 * The statements of one text that differ in the number of rows and in the settings they carry. Powers of two are kept
 * prepared: eight a kind instead of 128, which took 59-71 MB of a backend's memory.
 */
export class StatementFamily {
  private readonly kept = new Map<InlineSettings, Statement[]>();

  constructor(private readonly make: (rows: number, inline: InlineSettings) => string) {}

  of(rows: number, port: Port): Statement {
    const power = Math.log2(rows);
    if (!Number.isInteger(power)) return unprepared(this.make(rows, port.inline));
    let statements = this.kept.get(port.inline);
    if (statements === undefined) this.kept.set(port.inline, (statements = []));
    return (statements[power] ??= prepared(this.make(rows, port.inline)));
  }
}

/** The statement of one text that serves any number of rows and differs only in the settings it carries. */
export class CarriedStatement {
  private readonly kept = new Map<InlineSettings, Statement>();

  constructor(private readonly make: (inline: InlineSettings) => string) {}

  of(port: Pick<Port, 'inline'>): Statement {
    let statement = this.kept.get(port.inline);
    if (statement === undefined) this.kept.set(port.inline, (statement = prepared(this.make(port.inline))));
    return statement;
  }
}
