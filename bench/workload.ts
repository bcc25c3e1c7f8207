/** Keys that the callers draw from, each as likely as the next. */
export const keys = keyNames(10_000);

/** JSON objects of 130 bytes each. */
export const values = Array.from({ length: 1_000 }, (_, i) => objectOf(130, i));

/** What stands in the tables before reads are measured. */
export const entries = keys.map((key, i) => [key, values[i % values.length]] as const);

/** Names of so many keys, in order. */
export function keyNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => keyName(i));
}

export function keyName(i: number): string {
  return `user:${String(i).padStart(8, '0')}`;
}

export function anyOf<T>(items: readonly T[]): T {
  return items[Math.floor(Math.random() * items.length)]!;
}

/** Ten different keys, in order, so that no contender can deadlock with itself. */
export function tenKeys(): string[] {
  const first = Math.floor(Math.random() * keys.length);
  return Array.from({ length: 10 }, (_, i) => keys[(first + i * 997) % keys.length]!).sort();
}

/** An object whose JSON has exactly so many bytes. */
export function objectOf(bytes: number, seed = 0): Record<string, unknown> {
  const start = { id: 100_000 + seed, name: 'Ada Lovelace', city: 'London', active: true, score: seed % 97, note: '' };
  const missing = bytes - JSON.stringify(start).length;
  if (missing < 0) throw new Error(`an object of ${bytes} bytes is too small for its fields`);
  return { ...start, note: text(missing) };
}

/** Text that does not compress to nothing. */
function text(length: number): string {
  let all = '';
  while (all.length < length) all += Math.random().toString(36).slice(2);
  return all.slice(0, length);
}
