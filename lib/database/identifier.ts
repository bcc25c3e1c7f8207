import { createHash } from 'node:crypto';
import { InvalidArgumentError } from '../persist-pg.errors';

const longest = 63;

/** Quotes a name for use in SQL; any name PostgreSQL can hold is allowed. */
export function quoteIdentifier(argument: string, name: string): string {
  if (name === '') throw new InvalidArgumentError(argument, 'is empty');
  if (name.includes('\0')) throw new InvalidArgumentError(argument, 'has a character U+0000');
  const bytes = Buffer.byteLength(name);
  if (bytes > longest) throw new InvalidArgumentError(argument, `has ${bytes} bytes; PostgreSQL keeps ${longest}`);
  return `"${name.replaceAll('"', '""')}"`;
}

/** A statement, and the name under which a connection keeps it prepared. */
export interface Statement {
  readonly text: string;
  /** Not named: prepared anew each time. */
  readonly name?: string;
}

/** A statement that is kept prepared: its name is a hash of the text, so that two schemas or versions never share one. */
export function prepared(text: string): Statement {
  return { text, name: `persistpg_${createHash('sha1').update(text).digest('base64url')}` };
}

/** A statement that is prepared anew each time. */
export function unprepared(text: string): Statement {
  return { text };
}
