/** A glob, taken apart. */
export interface Glob {
  /** Literal text with which every match begins. */
  readonly prefix: string;
  /** Whether every text with the prefix matches, so that `pattern` need not be asked. */
  readonly matchesPrefix: boolean;
  /** Regular expression over the whole text, for PostgreSQL (`~`, collation "C") and JavaScript (flags `su`) alike. */
  readonly pattern: string;
}

/**
 * Reads a glob: `*` is any text, `?` one character, `[a-z]` one of these, `[!a-z]` or `[^a-z]` one of the others, `\`
 * takes the next character literally. All else is literal, also `%`, `_`, a bracket that is not closed and a backslash
 * at the end. As in a shell, `]` right after the opening is one of the characters; as in Redis, `[z-a]` is `[a-z]`.
 */
export function parseGlob(glob: string): Glob {
  const characters = Array.from(glob);
  let prefix: string | undefined;
  let literal = '';
  let pattern = '';
  const wild = (part: string): void => {
    prefix ??= literal;
    // Two stars say no more than one, and cost a backtracking engine its time.
    if (part !== '.*' || !pattern.endsWith('.*')) pattern += part;
  };
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i]!;
    if (character === '*') {
      wild('.*');
    } else if (character === '?') {
      wild('.');
    } else {
      const bracket = character === '[' ? readBracket(characters, i) : undefined;
      if (bracket !== undefined) {
        wild(bracket.pattern);
        i = bracket.end;
      } else {
        const taken = character === '\\' ? (characters[++i] ?? '\\') : character;
        literal += taken;
        pattern += escaped(taken);
      }
    }
  }
  return { prefix: prefix ?? literal, matchesPrefix: prefix !== undefined && pattern === `${escaped(prefix)}.*`, pattern: `^${pattern}$` };
}

/** The least text, by code points, that is greater than every text with the prefix; `undefined` if there is none. */
export function prefixEnd(prefix: string): string | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0)!);
  while (points.length > 0) {
    const last = points.pop()!;
    // 0xd800 to 0xdfff are halves of surrogate pairs, no characters.
    if (last < 0x10ffff) return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
  }
  return undefined;
}

function readBracket(characters: readonly string[], start: number): { pattern: string; end: number } | undefined {
  let i = start + 1;
  const negated = characters[i] === '!' || characters[i] === '^';
  if (negated) i++;
  const first = i;
  let ranges = '';
  while (i < characters.length && (characters[i] !== ']' || i === first)) {
    const from = readMember();
    const isRange = characters[i] === '-' && characters[i + 1] !== undefined && characters[i + 1] !== ']';
    if (!isRange) {
      ranges += member(from);
    } else {
      i++;
      const to = readMember();
      ranges += from.codePointAt(0)! <= to.codePointAt(0)! ? `${member(from)}-${member(to)}` : `${member(to)}-${member(from)}`;
    }
  }
  return characters[i] === ']' ? { pattern: `[${negated ? '^' : ''}${ranges}]`, end: i } : undefined;

  function readMember(): string {
    const character = characters[i++]!;
    return character === '\\' && i < characters.length ? characters[i++]! : character;
  }
}

// Both engines take a backslash before these literally, in JavaScript with `u` before nothing else.
function escaped(literal: string): string {
  return literal.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

function member(character: string): string {
  return /[\\^\-[\]]/.test(character) ? `\\${character}` : character;
}
