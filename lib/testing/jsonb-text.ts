import { decimalText } from './decimal';

/** A JSON value as PostgreSQL prints its `jsonb`: equal values have equal texts, whatever the order of their names. */
export function jsonbText(value: unknown): string {
  if (typeof value === 'number') return decimalText(String(value));
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(jsonbText).join(', ')}]`;
  const fields = Object.entries(value).map(([name, field]) => ({
    name: Buffer.from(name),
    text: `${JSON.stringify(name)}: ${jsonbText(field)}`,
  }));
  // Short names come first, equally long ones by their bytes.
  fields.sort((a, b) => a.name.length - b.name.length || Buffer.compare(a.name, b.name));
  return `{${fields.map(({ text }) => text).join(', ')}}`;
}
