import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const lines = readFileSync(join(__dirname, '../../README.md'), 'utf8').split('\n');

/** A fenced block of TypeScript. */
export interface Block {
  /** Of its first line of code, counted from 1. */
  readonly line: number;
  readonly code: string;
  /** Marked `ts run`: it is run against PostgreSQL, and what its `// =>` comments say must be true. */
  readonly runs: boolean;
}

/** All blocks of TypeScript. */
export function blocks(): Block[] {
  const found: Block[] = [];
  for (let i = 0; i < lines.length; i++) {
    if (!lines[i]!.startsWith('```')) continue;
    const end = lines.indexOf('```', i + 1);
    const [, runs] = /^```ts( run)?$/.exec(lines[i]!) ?? [undefined, undefined];
    if (lines[i]!.startsWith('```ts')) found.push({ line: i + 2, code: lines.slice(i + 1, end).join('\n'), runs: runs !== undefined });
    i = end;
  }
  return found;
}

/** A row of a table: its cells as they are written. */
export interface Row {
  readonly line: number;
  readonly cells: readonly string[];
}

/** The rows of the first table below a heading, without its head. */
export function table(heading: string): Row[] {
  const start = lines.findIndex((line) => new RegExp(`^#+ ${heading}$`).test(line));
  if (start === -1) throw new Error(`README.md has no heading ${heading}`);
  const head = lines.findIndex((line, i) => i > start && line.startsWith('| ---'));
  const rows: Row[] = [];
  for (let i = head + 1; lines[i]!.startsWith('|'); i++) {
    const cells = lines[i]!.split('|').slice(1, -1);
    rows.push({ line: i + 1, cells: cells.map((cell) => cell.trim()) });
  }
  return rows;
}

/** The headings of this form. */
export function headings(form: RegExp): string[] {
  return lines.flatMap((line) => form.exec(line)?.[1] ?? []);
}

/** What stands between backticks. */
export function codes(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);
}
