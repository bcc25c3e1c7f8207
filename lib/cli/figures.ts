const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Bytes for the eye. */
export function size(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A count for the eye. */
export function numbers(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 0 });
}
