/** A value of a field of a collection; in normal form. */
export interface ReservationKey {
  readonly collection: string;
  readonly field: string;
  readonly value: string;
}

/** The key as one text. Nothing sorts before the zero byte and no part has one, so texts sort as the primary key does. */
export function joined({ collection, field, value }: ReservationKey): string {
  return `${collection}\0${field}\0${value}`;
}

/** The parts of a key. */
export function parts(key: string): [collection: string, field: string, value: string] {
  return key.split('\0') as [string, string, string];
}
