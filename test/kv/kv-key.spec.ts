import { describe, expect, it } from 'vitest';
import { checkKey, checkTerm, textProblem } from '../../lib/argument-checks';
import { nestedNamespace } from '../../lib/kv/kv-key';

const refused = (argument: string, message: RegExp) =>
  expect.objectContaining({ code: 'INVALID_ARGUMENT', argument, message: expect.stringMatching(message) });

describe('a key', () => {
  it.each(['a', 'user:42', 'ģ', '😀', ' ', '%_*[', '\n', '__proto__', 'k'.repeat(64)])('may be %j', (key) => {
    expect(checkKey(key, 64)).toBe(key);
  });

  it('is measured in bytes of UTF-8', () => {
    expect(checkKey('ģ'.repeat(32), 64)).toHaveLength(32);
    expect(() => checkKey('ģ'.repeat(33), 64)).toThrow(refused('key', /66 bytes long; the limit is 64/));
    expect(checkKey('😀'.repeat(16), 64)).toHaveLength(32);
    expect(() => checkKey('😀'.repeat(17), 64)).toThrow(refused('key', /68 bytes/));
  });

  it.each([
    ['', /is empty/],
    ['a\0b', /u0000/],
    ['\ud800', /surrogate/],
    ['a\udc00b', /surrogate/],
    ['\udc00\ud800', /surrogate/],
    [undefined, /must be a text, not undefined/],
    [null, /not null/],
    [7, /not number/],
    [['a'], /not an array/],
  ])('may not be %j', (key, message) => {
    expect(() => checkKey(key, 1_024)).toThrow(refused('key', message));
    expect(() => checkKey(key, 7)).toThrow(refused('key', message));
  });
});

describe('a namespace', () => {
  it('nests, and its full name is what counts', () => {
    expect(nestedNamespace('', 'a')).toBe('a');
    expect(nestedNamespace('', 'a:b')).toBe('a:b');
    expect(nestedNamespace(nestedNamespace('', 'a'), 'b')).toBe('a:b');
    expect(nestedNamespace('a', 'ö "x"\' %')).toBe('a:ö "x"\' %');
    expect(nestedNamespace('', 'n'.repeat(128))).toHaveLength(128);
    expect(() => nestedNamespace('', 'n'.repeat(129))).toThrow(refused('namespace', /129 bytes long; the limit is 128/));
    expect(() => nestedNamespace('n'.repeat(100), 'n'.repeat(28))).toThrow(refused('namespace', /129 bytes/));
  });

  it.each(['', ':', ':a', 'a:', 'a::b', '\0', 'a\ud800', 7, undefined, null])('may not be %j', (name) => {
    expect(() => nestedNamespace('', name)).toThrow(refused('namespace', /./));
    expect(() => nestedNamespace('inside', name, 'collection')).toThrow(refused('collection', /./));
  });
});

it('a text to look for may be empty, but not what PostgreSQL cannot keep', () => {
  expect(checkTerm('', 'term')).toBe('');
  expect(() => checkTerm('\0', 'term')).toThrow(refused('term', /u0000/));
  expect(() => checkTerm('x'.repeat(5_000), 'term')).toThrow(refused('term', /5000 bytes/));
});

it('whole surrogate pairs are no problem', () => {
  expect(textProblem('a😀b')).toBeUndefined();
  expect(textProblem('😀\ud83d')).toMatch(/surrogate/);
});
