/** Orders text as UTF-8 bytes, as `collate "C"` does: JavaScript's own order differs above U+FFFF. */
export function compareBytes(a: string, b: string): number {
  if (a === b) return 0;
  if (!highest.test(a) && !highest.test(b)) return a < b ? -1 : 1;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    // Surrogates stand for code points above all of the others.
    return (x >= 0xd800 && x <= 0xdfff ? x + 0x10000 : x) - (y >= 0xd800 && y <= 0xdfff ? y + 0x10000 : y);
  }
  return a.length - b.length;
}

const highest = /[\ud800-\uffff]/;
