import { createInterface } from 'node:readline/promises';

/** Where a command reads and writes: the process's own streams, or those of a test. */
export interface Streams {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

const width = 30;

/** Answers on stdout, all else on stderr. */
export class Terminal {
  /** The reader of stdout has gone (`keys | head`): there is nobody to answer. */
  closed = false;
  private shown = '';

  constructor(
    private readonly streams: Streams,
    private readonly json: boolean,
  ) {
    streams.stdout.on('error', () => (this.closed = true));
  }

  /** Writes an answer; waits for a reader that is slow. */
  async write(data: string | Uint8Array): Promise<void> {
    this.clear();
    const { stdout } = this.streams;
    if (this.closed || stdout.write(data)) return;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        stdout.off('drain', go).off('error', go);
        resolve();
      };
      stdout.on('drain', go).on('error', go);
    });
  }

  line(text: string): Promise<void> {
    return this.write(`${text}\n`);
  }

  /** Something beside the answer. */
  note(text: string): void {
    this.clear();
    this.streams.stderr.write(`${text}\n`);
  }

  /** Asks; no where there is nobody to ask. */
  async confirm(question: string): Promise<boolean> {
    if (this.streams.stdin.isTTY !== true || this.streams.stderr.isTTY !== true) return false;
    const dialogue = createInterface({ input: this.streams.stdin, output: this.streams.stderr });
    try {
      return /^y(es)?$/i.test((await dialogue.question(`${question} [y/N] `)).trim());
    } finally {
      dialogue.close();
    }
  }

  /** Shows how far a long work is, where someone looks: a bar, or only a text while the total is unknown. */
  progress(text: string, done?: number, total?: number): void {
    if (this.json || this.streams.stderr.isTTY !== true) return;
    let bar = '';
    if (done !== undefined && total !== undefined && total > 0) {
      const part = Math.min(1, done / total);
      const full = Math.round(part * width);
      bar = `[${'#'.repeat(full)}${'-'.repeat(width - full)}] ${String(Math.floor(part * 100)).padStart(3)} %  `;
    }
    const next = bar + text;
    this.streams.stderr.write(`\r${next.padEnd(this.shown.length)}`);
    this.shown = next;
  }

  /** Takes the progress away. */
  clear(): void {
    if (this.shown === '') return;
    this.streams.stderr.write(`\r${' '.repeat(this.shown.length)}\r`);
    this.shown = '';
  }

  /** Columns of texts, the first row as a heading. */
  async table(rows: readonly (readonly string[])[]): Promise<void> {
    const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
    for (const row of rows)
      await this.line(
        row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd(),
      );
  }
}
