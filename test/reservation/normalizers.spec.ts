import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normalizeEmail, normalizeUsername } from '../../lib/reservation/normalizers';

const character = fc.oneof(
  fc.integer({ min: 0x20, max: 0x24ff }),
  fc.integer({ min: 1, max: 0x10ffff }).filter((code) => code < 0xd800 || code > 0xdfff),
);
const anyText = fc.array(character, { maxLength: 6 }).map((codes) => String.fromCodePoint(...codes));

describe('normalizeEmail', () => {
  it.each([
    ['anna@example.lv', 'anna@example.lv'],
    ['  Anna.Liepa+News@Example.LV\t\n', 'anna.liepa+news@example.lv'],
    ['ＡＮＮＡ＠ｅｘａｍｐｌｅ．ｌｖ', 'anna@example.lv'],
    ['ﬁnn@example.lv', 'finn@example.lv'],
    ['Āris@Piemērs.LV', 'āris@piemērs.lv'],
    ['A\u0304ris@piemērs.lv', 'āris@piemērs.lv'],
    ['\u212Aelvin@example.lv', 'kelvin@example.lv'],
    ['аnnа@example.lv', 'аnnа@example.lv'],
  ])('makes of %j %j', (given, form) => expect(normalizeEmail(given)).toBe(form));

  it('gives its own results back', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const form = normalizeEmail(text);
        expect(normalizeEmail(form)).toBe(form);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('normalizeUsername', () => {
  it.each([
    ['Anna', 'anna'],
    [' anna_1.2-3 ', 'anna_1.2-3'],
    ['ＡＮＮＡ', 'anna'],
    ['Jānis Bērziņš', 'jānis bērziņš'],
    ['İpek', 'ipek'],
    ['I\u0307pek', 'ipek'],
    ['ışık', 'ışık'],
    ['Nguyễn', 'nguyễn'],
    ['Əli', 'əli'],
    ['Анна', 'анна'],
    ['Іван', 'іван'],
    ['Γιώργος', 'γιώργος'],
    ['Աննա', 'աննա'],
    ['אנה', 'אנה'],
    ['علی', 'علی'],
    ['अन्ना', 'अन्ना'],
    ['안나', '안나'],
    ['アンナさん', 'アンナさん'],
    ['安娜', '安娜'],
    ['DJ太郎', 'dj太郎'],
    ['k팝', 'k팝'],
    ['anna🎉', 'anna🎉'],
    ['123', '123'],
    ['_', '_'],
  ])('makes of %j %j', (given, form) => expect(normalizeUsername(given)).toBe(form));

  const refused: Record<string, string[]> = {
    'letters of several scripts': [
      'аnna',
      'annа',
      'gοοgle',
      'раypal',
      'Ωmega',
      'µtorrent',
      'annaא',
      'ア안',
      'анна\u03bf',
      'anna٥',
      'anna५',
    ],
    'letters that few can read': ['ꓮꓠꓠꓮ', 'ᎪᏁᏁᎪ', '𐌀𐌍𐌍𐌀', 'ⲁⲃ', 'ⵏⵔ', '\u2800'],
    'phonetic letters that look like Latin ones': ['ɑnna', 'goo\u0261le', '\u1d00nna', 'ann\u0280', '\ua731am'],
    'only letters that look like Latin ones': ['асе', 'Сосо', 'сора.', '1_хоу', 'ѕсоре', 'νοσ', 'Ορ', 'հօյ'],
    'characters that cannot be seen': [
      'an\u200bna',
      'ni\u0307na',
      'an\u00adna',
      'anna\u200d',
      '\u202eanna',
      'an\u2060na',
      'anna\ufe0f',
      'an\tna',
      'an\nna',
      'a\u034fnna',
      '\u3164',
      'anna\ue000',
      'anna\u0378',
      'anna\u{e0061}',
    ],
  };

  describe.each(Object.entries(refused))('refuses %s:', (_, names) => {
    it.each(names)('%j', (name) => {
      expect(() => normalizeUsername(name)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', argument: 'value' }));
    });
  });

  it('gives its own results back, and refuses them never', () => {
    let taken = 0;
    fc.assert(
      fc.property(fc.oneof(anyText, fc.string({ unit: 'grapheme-composite' })), (text) => {
        let form: string;
        try {
          form = normalizeUsername(text);
        } catch (error) {
          expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
          return;
        }
        taken++;
        expect(normalizeUsername(form)).toBe(form);
      }),
      { numRuns: 2_000 },
    );
    expect(taken).toBeGreaterThan(200);
  });
});
