import fc from 'fast-check';
import { expect, it } from 'vitest';
import { addDecimals, decimalText } from '../../lib/testing/decimal';
import { jsonbText } from '../../lib/testing/jsonb-text';
import { testDatabase } from '../support/database';

const database = testDatabase();
const wellFormed = fc
  .string({
    unit: fc.oneof(fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }), fc.constantFrom('"', '\\', '\n', '\u0001', '\u007f', 'é')),
  })
  .filter((text) => !text.includes('\0'));
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
  fc.integer(),
);
const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    wellFormed,
    number,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.dictionary(wellFormed, tie('tree'), { maxKeys: 5 }),
  ),
}));

it('prints JSON as jsonb prints it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(tree, { minLength: 1, maxLength: 10 }), async (values) => {
      const [row] = await database.query<{ texts: string[] }>(
        'select array(select v::jsonb::text from unnest($1::text[]) with ordinality u(v, i) order by i) as texts',
        [values.map((value) => JSON.stringify(value))],
      );
      expect(values.map(jsonbText)).toEqual(row!.texts);
    }),
    { numRuns: 100 },
  );
});

it('adds as numeric adds', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(number, number), { minLength: 1, maxLength: 20 }), async (pairs) => {
      const [row] = await database.query<{ sums: string[] }>(
        'select array(select trim_scale(a::numeric + b::numeric)::text from unnest($1::text[], $2::text[]) with ordinality u(a, b, i) order by i) as sums',
        [pairs.map(([a]) => String(a)), pairs.map(([, b]) => String(b))],
      );
      expect(pairs.map(([a, b]) => addDecimals(String(a), String(b)))).toEqual(row!.sums);
    }),
    { numRuns: 100 },
  );
});

it.each([
  ['0', '0'],
  ['-1.50', '-1.5'],
  ['10.0', '10'],
  ['100', '100'],
  ['1e21', '1000000000000000000000'],
  ['-1.5e-7', '-0.00000015'],
  ['1.25e1', '12.5'],
])('writes %s as %s', (number, text) => {
  expect(decimalText(number)).toBe(text);
});
