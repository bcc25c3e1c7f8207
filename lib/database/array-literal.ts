/** Texts as a PostgreSQL array literal. */
export function arrayLiteral(texts: readonly string[]): string {
  let literal = '{';
  for (let i = 0; i < texts.length; i++) {
    const text = texts[i] as string;
    literal += i === 0 ? '"' : ',"';
    literal += /["\\]/.test(text) ? text.replace(/["\\]/g, '\\$&') : text;
    literal += '"';
  }
  return `${literal}}`;
}

/** Texts, numbers, bytes (as hex) and nulls as a PostgreSQL array literal. */
export function nullableArrayLiteral(values: readonly (string | number | boolean | Uint8Array | null)[]): string {
  let literal = '{';
  for (let i = 0; i < values.length; i++) {
    if (i > 0) literal += ',';
    literal += arrayElement(values[i]!);
  }
  return `${literal}}`;
}

function arrayElement(value: string | number | boolean | Uint8Array | null): string {
  if (value === null) return 'null';
  if (typeof value === 'object') return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex');
  if (typeof value !== 'string') return String(value);
  // JSON escapes quotes and backslashes as an array does, four times as fast as `replace`; what it does to control
  // characters, which our own JSON texts never have, an array would not undo.
  // eslint-disable-next-line no-control-regex
  return /[\u0000-\u001f]/.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : JSON.stringify(value);
}
