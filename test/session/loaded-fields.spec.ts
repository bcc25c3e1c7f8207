import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LoadedFields } from '../../lib/session/loaded-fields';
import { changesBetween, readFields } from '../../lib/session/session-fields';

const cookie = { path: '/', httpOnly: true, originalMaxAge: 1_000, expires: '2030-01-01T00:00:00.000Z' };
const loaded = { user: 'ada', cart: [{ slug: 'rye', n: 1 }], cookie };

describe('at a glance', () => {
  it('a session that was only read is the same, with a cookie that the framework has made anew', () => {
    const fields = new LoadedFields(loaded);
    const shown = { expires: new Date(), originalMaxAge: 999, httpOnly: true, path: '/', domain: undefined };
    expect(fields.areSurely({ ...loaded, cookie: { toJSON: () => shown } })).toBe(true);
    expect(fields.areSurely(structuredClone(loaded))).toBe(true);
  });

  it.each([
    ['a field', { ...loaded, user: 'bob' }],
    ['a field more', { ...loaded, theme: 'dark' }],
    ['a field less', { user: 'ada', cookie }],
    ['something inside a field', { ...loaded, cart: [{ slug: 'rye', n: 2 }] }],
    ['the path of the cookie', { ...loaded, cookie: { ...cookie, path: '/shop' } }],
    ['a part of the cookie more', { ...loaded, cookie: { ...cookie, secure: true } }],
    ['a part of the cookie less', { ...loaded, cookie: { path: '/', originalMaxAge: 1_000, expires: cookie.expires } }],
    ['whether the cookie ends', { ...loaded, cookie: { ...cookie, expires: null } }],
    ['how long the cookie lasts', { ...loaded, cookie: { ...cookie, originalMaxAge: 9_000 } }],
    ['the cookie itself', { user: 'ada', cart: loaded.cart }],
    ['what JSON cannot say', { ...loaded, user: 1n }],
    ['how it says itself', { ...loaded, toJSON: () => ({}) }],
  ])('it is not if %s is another', (_, data) => {
    expect(new LoadedFields(loaded).areSurely(data)).toBe(false);
  });

  it('what was loaded stays as it was when the object is changed', () => {
    const data = structuredClone(loaded);
    const fields = new LoadedFields(data);
    data.cart[0]!.n = 5;
    data.cookie.path = '/else';
    expect(fields.areSurely(data)).toBe(false);
    expect(fields.byName()).toEqual(readFields('id', loaded, 1_000));
  });

  it('never says so where a look at all fields finds a change', () => {
    const value = fc.jsonValue({ maxDepth: 2 });
    const session = fc.record(
      {
        a: value,
        b: value,
        cookie: fc.oneof(value, fc.record({ path: value, expires: value, originalMaxAge: value }, { requiredKeys: [] })),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(session, session, fc.constantFrom('a', 'b', 'cookie'), (before, other, name) => {
        const data = JSON.parse(JSON.stringify(before)) as Record<string, unknown>;
        const fields = new LoadedFields(data);
        const after: Record<string, unknown> = { ...structuredClone(data), [name]: other[name] };
        if (!fields.areSurely(after)) return;
        expect(changesBetween(fields.byName(), readFields('id', after, 1e6))).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });
});
