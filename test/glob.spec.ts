import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseGlob, prefixEnd } from '../lib/glob';
import { compareBytes } from '../lib/database/byte-order';
import { testDatabase } from './support/database';

const database = testDatabase();

const matches = (glob: string, text: string): boolean => new RegExp(parseGlob(glob).pattern, 'su').test(text);

/** Which of the texts match, as PostgreSQL sees it. */
async function matchedByPostgres(glob: string, texts: readonly string[]): Promise<boolean[]> {
  const [row] = await database.query<{ matched: boolean[] }>(
    `select array(select t collate "C" ~ $1 from unnest($2::text[]) with ordinality u(t, i) order by i) as matched`,
    [parseGlob(glob).pattern, texts],
  );
  return row!.matched;
}

describe('a glob', () => {
  it.each<[glob: string, matching: string[], others: string[]]>([
    ['*', ['', 'a', 'a\nb', '😀'], []],
    ['', [''], ['a']],
    ['a?c', ['abc', 'a\nc', 'a😀c', 'a?c'], ['ac', 'abbc']],
    ['user:*', ['user:', 'user:1:x'], ['user', 'xuser:1']],
    ['*:x', [':x', 'a:b:x'], ['x', ':x ']],
    ['a.b%c_d', ['a.b%c_d'], ['aXbXcXd', 'a.bccxd']],
    ['(a|b)+{2}^$', ['(a|b)+{2}^$'], ['a', 'aa']],
    ['[abc]', ['a', 'c'], ['d', '[abc]', '']],
    ['[a-c]x', ['ax', 'bx'], ['dx', '-x']],
    ['[z-a]', ['a', 'm', 'z'], ['-', 'A']],
    ['[!a-c]', ['d', '!', '\n', '😀'], ['a', '']],
    ['[^a]', ['b', '^'], ['a']],
    ['[a^]', ['a', '^'], ['b']],
    ['[a!]', ['a', '!'], ['b']],
    ['[]a]', [']', 'a'], ['[', 'b']],
    ['[!]a]', ['b', '['], [']', 'a']],
    ['[a-]', ['a', '-'], ['b']],
    ['[-a]', ['a', '-'], ['b']],
    ['[a-c-e]', ['b', '-', 'e'], ['d']],
    ['[\\]x]', [']', 'x'], ['\\']],
    ['[\\a-\\c]', ['b'], ['\\', '-']],
    ['[a\\-c]', ['a', '-', 'c'], ['b', '\\']],
    ['[\\^]', ['^'], ['\\']],
    ['[\\\\]', ['\\'], ['x']],
    ['[[:alpha:]]', [':]', 'a]', '[]'], ['b', 'x]', 'a']],
    ['[.]', ['.'], ['a']],
    ['[\\d]', ['d'], ['1', '\\']],
    ['[😀-😂]', ['😁'], ['😃', '\ud83d']],
    ['[', ['['], ['']],
    ['[a', ['[a'], ['a']],
    ['[a*', ['[a', '[abc'], ['a']],
    ['[]', ['[]'], ['']],
    ['[!]', ['[!]'], ['a']],
    ['\\*', ['*'], ['', 'a', '\\*']],
    ['\\\\*', ['\\', '\\a'], ['a']],
    ['\\', ['\\'], ['']],
    ['a\\', ['a\\'], ['a']],
    ['\\[a]', ['[a]'], ['a']],
    ['**a**', ['a', 'xay'], ['b']],
    ['***=a', ['=a', 'x=a'], ['a']],
    ['(?i)a', ['(?i)a', '(xi)a'], ['A', 'a']],
    ['\\d\\w\\m', ['dwm'], ['1wm']],
  ])('%j', async (glob, matching, others) => {
    expect(matching.filter((text) => !matches(glob, text))).toEqual([]);
    expect(others.filter((text) => matches(glob, text))).toEqual([]);
    // Lone surrogates are not for PostgreSQL.
    const texts = [...matching, ...others].filter((text) => !/\p{Surrogate}/u.test(text));
    expect(await matchedByPostgres(glob, texts)).toEqual(texts.map((text) => matching.includes(text)));
  });

  it('means the same in PostgreSQL and JavaScript, and its prefix is one', async () => {
    const character = fc.constantFrom(...'*?[]!^-\\abcz.%_(){}+|$/:=#é\n \t'.split(''), '😀', '\u{10ffff}', '\ufffd');
    const text = fc.array(character, { maxLength: 8 }).map((characters) => characters.join(''));
    const bracket = fc.tuple(fc.constantFrom('[', '[!', '[^'), text).map(([open, members]) => `${open}${members}]`);
    const globs = fc.array(fc.oneof({ weight: 3, arbitrary: character }, bracket), { maxLength: 6 }).map((parts) => parts.join(''));
    // What a glob is likely to match: itself with its wildcards filled in.
    const filled = (glob: string, filler: string): string =>
      glob
        .replace(/\*/g, filler)
        .replace(/\?/g, filler.slice(0, 1) || 'x')
        .replace(/[[\]!^\\]/g, '');
    await fc.assert(
      fc.asyncProperty(globs, fc.array(text, { minLength: 1, maxLength: 6 }), async (glob, random) => {
        const texts = [...random, glob, ...glob, ...random.map((filler) => filled(glob, filler)).filter((t) => !/\p{Surrogate}/u.test(t))];
        const { prefix, matchesPrefix } = parseGlob(glob);
        const here = texts.map((t) => matches(glob, t));
        expect(await matchedByPostgres(glob, texts)).toEqual(here);
        texts.forEach((t, i) => {
          if (here[i]) expect(t.startsWith(prefix)).toBe(true);
          if (matchesPrefix) expect(here[i]).toBe(t.startsWith(prefix));
        });
      }),
      { numRuns: 400 },
    );
  });

  it('tells when its prefix says all', () => {
    expect(parseGlob('user:*')).toMatchObject({ prefix: 'user:', matchesPrefix: true });
    expect(parseGlob('a.b\\**')).toMatchObject({ prefix: 'a.b*', matchesPrefix: true });
    expect(parseGlob('*')).toMatchObject({ prefix: '', matchesPrefix: true });
    expect(parseGlob('user:*:x')).toMatchObject({ prefix: 'user:', matchesPrefix: false });
    expect(parseGlob('user')).toMatchObject({ prefix: 'user', matchesPrefix: false });
    expect(parseGlob('u?*')).toMatchObject({ prefix: 'u', matchesPrefix: false });
  });

  it('of any length is taken by PostgreSQL', async () => {
    for (const glob of ['*a'.repeat(2_000), '[a-z]'.repeat(800), '[\u0001-\u{10ffff}]', `[${'ab-dģ😀'.repeat(500)}]`]) {
      expect(await matchedByPostgres(glob, ['x'])).toEqual([matches(glob, 'x')]);
    }
  });
});

describe('the end of a prefix', () => {
  it.each([
    ['a', 'b'],
    ['user:', 'user;'],
    ['a\u{10ffff}', 'b'],
    ['\ud7ff', '\ue000'],
    ['\uffff', '\u{10000}'],
    ['😀', '😁'],
    ['\u{10ffff}', undefined],
    ['', undefined],
  ])('of %j is %j', (prefix, end) => {
    expect(prefixEnd(prefix)).toBe(end);
  });

  it('is over all that begins so, and over nothing else', () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(text, text, (prefix, other) => {
        const end = prefixEnd(prefix);
        const within = compareBytes(other, prefix) >= 0 && (end === undefined || compareBytes(other, end) < 0);
        expect(within).toBe(other.startsWith(prefix));
        expect(end === undefined || compareBytes(`${prefix}\u{10ffff}`, end) < 0).toBe(true);
      }),
    );
  });

  it('is over it by the order of PostgreSQL', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }).filter((t) => !t.includes('\0')),
        async (prefix) => {
          const [row] = await database.query<{ fits: boolean }>(
            `select $1 || E'\\U0010FFFF' collate "C" < $2 and $1 || 'a' collate "C" > $1 as fits`,
            [prefix, prefixEnd(prefix) ?? `${prefix}\u{10ffff}x`],
          );
          expect(row!.fits).toBe(true);
        },
      ),
      { numRuns: 100 },
    );
  });
});
