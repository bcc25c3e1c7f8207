import { checkKey, checkText, readOptions } from '../argument-checks';
import { InvalidArgumentError } from '../persist-pg.errors';
import type { Normalizer } from './normalizers';
import type { ReservationKey } from './reservation-key';

/** Most bytes of the name of a collection or a field: with a value they must fit into one entry of the index. */
const maxName = 128;
/** Most bytes of a value in normal form, and of an owner. */
const maxText = 1_024;
/** Most bytes that a normaliser is given. */
const maxGiven = 65_536;
/** Most fields of one `reserveAll`. */
const maxFields = 64;

/** Reads the arguments of reservations: what comes out is checked, and values are in normal form. */
export class ReservationArguments {
  constructor(
    /** By `collection.field`. */
    private readonly normalizers: ReadonlyMap<string, Normalizer>,
  ) {}

  key(collection: unknown, field: unknown, value: unknown): ReservationKey {
    const checked = { collection: checkKey(collection, maxName, 'collection'), field: checkKey(field, maxName, 'field') };
    return { ...checked, value: this.value(checked.collection, checked.field, value) };
  }

  /** One key for each field. */
  keys(collection: unknown, values: unknown): ReservationKey[] {
    if (typeof values !== 'object' || values === null || Symbol.iterator in values || values instanceof Date) {
      throw new InvalidArgumentError('values', 'must be an object with a text for each field');
    }
    const fields = Object.entries(values);
    if (fields.length === 0) throw new InvalidArgumentError('values', 'has no field');
    if (fields.length > maxFields) throw new InvalidArgumentError('values', `has ${fields.length} fields; the limit is ${maxFields}`);
    return fields.map(([field, value]) => this.key(collection, field, value));
  }

  owner(owner: unknown, argument = 'owner'): string {
    return checkKey(owner, maxText, argument);
  }

  owners(owners: unknown): [from: string, to: string] {
    const { from, to } = readOptions(owners, ['from', 'to'], 'owners');
    return [this.owner(from, 'owners.from'), this.owner(to, 'owners.to')];
  }

  // What is wrong with a value is said of its field, which is what those who typed it know it by.
  private value(collection: string, field: string, value: unknown): string {
    const given = checkText(value, maxGiven, field);
    const normalize = this.normalizers.get(`${collection}.${field}`);
    return checkKey(normalize === undefined ? given : normalForm(normalize, field, given), maxText, field);
  }
}

function normalForm(normalize: Normalizer, field: string, given: string): string {
  let form: unknown;
  try {
    form = normalize(given);
  } catch (cause) {
    throw new InvalidArgumentError(field, `has no normal form: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  if (typeof form === 'string') return form;
  const what = form instanceof Promise ? 'a promise' : form === null ? 'null' : typeof form;
  if (form instanceof Promise) form.catch(() => {});
  throw new InvalidArgumentError(field, `has no normal form: its normaliser gave ${what} instead of a text`);
}
