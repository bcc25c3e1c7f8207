import type { PoolClient } from 'pg';
import type { Instrumentation } from '../instrumentation';

/** Runs the sending of a statement in a span. */
export type StatementSpan = <R>(client: PoolClient, text: string, run: () => Promise<R>) => Promise<R>;

/** What can be told of a statement without its values, by the semantic conventions of OpenTelemetry for databases. */
interface StatementTraits {
  readonly summary: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Longer texts hold many rows of one form. */
const longestText = 2_000;
const known = 256;

const name = `(?:"(?:[^"]|"")*"|[\\w$]+)`;
const table = new RegExp(`\\b(?:from|join|into|update|table)\\s+(${name}\\.${name})`, 'i');
/** What a `with` statement does in the end; `for update` and `do update` are not followed by a table. */
const change = new RegExp(`\\b(insert into|delete from|update)\\s+(${name}\\.${name})`, 'i');

/** Spans of the statements of an instance; none, at no cost, where nobody asks for them. */
export function statementSpan(span: Instrumentation['span'], schema: string): StatementSpan | undefined {
  if (span === undefined) return undefined;
  const traits = new Map<string, StatementTraits>();
  const traitsOf = (text: string): StatementTraits => {
    let found = traits.get(text);
    if (found === undefined) {
      found = describe(text);
      // Statements with an exact number of rows come in endless forms.
      if (traits.size < known) traits.set(text, found);
    }
    return found;
  };
  return (client, text, run) => {
    const { summary, attributes } = traitsOf(text);
    const { host, port, database } = client as unknown as { host?: string; port?: number; database?: string };
    const server = {
      ...(database === undefined ? {} : { 'db.namespace': `${database}|${schema}` }),
      ...(host === undefined ? {} : { 'server.address': host }),
      ...(port === undefined ? {} : { 'server.port': port }),
    };
    return span(summary, { ...attributes, ...server }, run);
  };
}

function describe(text: string): StatementTraits {
  const [, verb = '', changed] = change.exec(text) ?? [];
  const operation = (verb === '' ? (/^\s*(\w+)/.exec(text)?.[1] ?? 'query') : (verb.split(' ')[0] as string)).toUpperCase();
  const collection = (changed ?? table.exec(text)?.[1])?.replaceAll('"', '');
  const summary = collection === undefined ? operation : `${operation} ${collection}`;
  return {
    summary,
    attributes: {
      'db.system.name': 'postgresql',
      'db.operation.name': operation,
      ...(collection === undefined ? {} : { 'db.collection.name': collection }),
      'db.query.summary': summary,
      'db.query.text': text.length > longestText ? `${text.slice(0, longestText)}…` : text,
    },
  };
}
