interface Decimal {
  /** The number without its point. */
  readonly digits: bigint;
  /** Digits behind the point. */
  readonly scale: number;
}

/** A JSON number as PostgreSQL's `numeric` prints it: no exponent, no zeros at the end of the fraction. */
export function decimalText(number: string): string {
  return print(parse(number));
}

/** Sum of two JSON numbers, exact. */
export function addDecimals(a: string, b: string): string {
  const [x, y] = [parse(a), parse(b)];
  const scale = Math.max(x.scale, y.scale);
  return print({ digits: x.digits * 10n ** BigInt(scale - x.scale) + y.digits * 10n ** BigInt(scale - y.scale), scale });
}

function parse(number: string): Decimal {
  const [mantissa = '', exponent = '0'] = number.toLowerCase().split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const scale = fraction.length - Number(exponent);
  const digits = BigInt(whole + fraction);
  return scale < 0 ? { digits: digits * 10n ** BigInt(-scale), scale: 0 } : { digits, scale };
}

function print({ digits, scale }: Decimal): string {
  const sign = digits < 0n ? '-' : '';
  const text = String(digits < 0n ? -digits : digits).padStart(scale + 1, '0');
  const fraction = text.slice(text.length - scale).replace(/0+$/, '');
  const whole = text.slice(0, text.length - scale);
  return scale === 0 || fraction === '' ? sign + whole : `${sign}${whole}.${fraction}`;
}
