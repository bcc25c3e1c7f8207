// The scripts in everyday use (Unicode Standard Annex 31, table 5). What is not among them is read by few and drawn by
// fewer fonts, and much of it looks like something else.
const scripts =
  'Arabic Armenian Bengali Bopomofo Cyrillic Devanagari Ethiopic Georgian Greek Gujarati Gurmukhi Han Hangul Hebrew Hiragana ' +
  'Kannada Katakana Khmer Lao Latin Malayalam Myanmar Oriya Sinhala Tamil Telugu Thaana Thai Tibetan';

// Scripts that are written side by side, as Unicode Technical Standard 39 has it under "highly restrictive".
const together = ['Latin Han Hiragana Katakana', 'Latin Han Bopomofo', 'Latin Han Hangul'];

/** All that a name may be written in; made at first use, as it takes ten milliseconds. */
let writings: readonly RegExp[] | undefined;

// Digits, signs and marks that belong to no script fit everywhere.
function makeWritings(): readonly RegExp[] {
  return [...scripts.split(' '), ...together].map((names) => {
    const allowed = ['Common', 'Inherited', ...names.split(' ')].map((name) => `\\p{scx=${name}}`);
    return new RegExp(`^[${allowed.join('')}]*$`, 'u');
  });
}

// Controls, format characters such as the zero-width space, variation selectors, fillers, what has no character yet, and
// a dot on what has one.
const unseen = /[\p{C}\p{Default_Ignorable_Code_Point}]|[ij]\u0307/u;

// Letters of phonetics that are drawn as a Latin letter or a small capital: the phonetic extensions, and a few before them.
const phonetic = /[\u0251\u0261\u0262\u0269\u026a\u0274\u0280\u028f\u0299\u029c\u029f\u1d00-\u1dbf\ua730\ua731]/u;

/** Small letters of other scripts that are drawn as a small Latin letter; each is named by the letter it looks like. */
const likeLatin = new RegExp(
  `^[${[
    '\u0430\u0441\u0501\u0435\u04bd\u04bb\u0456\u0458\u04cf\u043e\u0440\u051b\u0433\u0455\u0475\u051d\u0445\u0443\u04af', // Cyrillic: a c d e e h i j l o p q r s v w x y y
    '\u03b1\u03b9\u03f3\u03bd\u03bf\u03c1\u03c3\u03c5\u03b3', // Greek: a i j v o p o u y
    '\u0570\u0575\u0578\u0585\u0566\u057d\u0581', // Armenian: h j n o q u g
  ].join('')}]+$`,
  'u',
);

/**
 * Why a name could be taken for another, if it could: it has characters that cannot be seen, letters of scripts that are
 * not written together, or nothing but letters that look like Latin ones.
 */
export function lookAlikeProblem(name: string): string | undefined {
  if (unseen.test(name)) return 'has a character that cannot be seen';
  writings ??= makeWritings();
  if (!writings.some((writing) => writing.test(name))) return 'has letters of scripts that are not written together, or that few can read';
  if (phonetic.test(name)) return 'has phonetic letters that look like Latin ones';
  const letters = name.replace(/\P{L}/gu, '');
  return likeLatin.test(letters) ? 'has only letters that look like Latin ones' : undefined;
}
