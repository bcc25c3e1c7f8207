import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { dataOf, loadOf, minute, open, type MakeSessions } from './setup';

export function describeFields(make: MakeSessions): void {
  it('come back as they went', async () => {
    const { sessions } = await open(make);
    const data = { user: 'anna', cart: [{ id: 1 }, { id: 2 }], flags: { a: true, b: null }, n: -0.5, 'ģ "\\': '\t€😀', empty: {} };
    await sessions.save('s', data);
    expect(await dataOf(sessions, 's')).toEqual(data);
    expect(await dataOf(sessions, 'S')).toBeUndefined();
  });

  it('may be none', async () => {
    const { sessions } = await open(make);
    await sessions.save('s', {});
    expect(await dataOf(sessions, 's')).toEqual({});
  });

  it('are JSON: what JSON leaves out is left out, and toJSON is honoured', async () => {
    const { sessions } = await open(make);
    class Basket {
      constructor(readonly items: string[]) {}
    }
    const at = new Date(0);
    await sessions.save('s', {
      at,
      basket: new Basket(['x']),
      none: undefined,
      hidden: { toJSON: () => undefined },
      call() {},
      deep: { none: undefined, nan: NaN },
    });
    expect(await dataOf(sessions, 's')).toEqual({ at: at.toISOString(), basket: { items: ['x'] }, deep: { nan: null } });
  });

  it('are those of the toJSON of a session object', async () => {
    const { sessions } = await open(make);
    class Session {
      secret = 1;
      toJSON(): object {
        return { told: this.secret };
      }
    }
    await sessions.save('s', new Session() as never);
    expect(await dataOf(sessions, 's')).toEqual({ told: 1 });
  });

  it('are a copy for each who loads them', async () => {
    const { sessions } = await open(make);
    await sessions.save('s', { list: [1] });
    const [a, b] = await Promise.all([loadOf(sessions, 's'), loadOf(sessions, 's')]);
    (a.data['list'] as number[]).push(2);
    a.data['more'] = true;
    expect(b.data).toEqual({ list: [1] });
    expect(await dataOf(sessions, 's')).toEqual({ list: [1] });
  });

  it('take names that objects have of their own', async () => {
    const { sessions } = await open(make);
    const data = JSON.parse('{"__proto__": {"a": 1}, "constructor": 1, "toString": "x"}') as Record<string, unknown>;
    await sessions.save('s', data);
    const loaded = await loadOf(sessions, 's');
    expect(JSON.stringify(loaded.data)).toContain('"__proto__":{"a":1}');
    expect(Object.keys(loaded.data).toSorted()).toEqual(['__proto__', 'constructor', 'toString']);
    await sessions.save('s', { ...loaded.data, constructor: 2 }, { loaded });
    expect(JSON.stringify(await dataOf(sessions, 's'))).toContain('"__proto__":{"a":1}');
    expect(await dataOf(sessions, 's')).toMatchObject({ constructor: 2, toString: 'x' });
  });

  it('of a session as large as it may be', async () => {
    const { sessions } = await open(make, {}, { maxValueSize: 2_000_000 });
    // Also one that PostgreSQL cannot make smaller.
    const big = { text: 'ģ'.repeat(500_000), noise: randomBytes(300_000).toString('base64'), small: 1 };
    await sessions.save('big', big);
    await sessions.save('other', { text: 'x' });
    const [loaded, other] = await Promise.all([loadOf(sessions, 'big'), loadOf(sessions, 'other'), sessions.load('none')]);
    expect(loaded.data).toEqual(big);
    expect(other.data).toEqual({ text: 'x' });
    await sessions.save('big', { ...loaded.data, small: 2 }, { loaded });
    expect(await dataOf(sessions, 'big')).toEqual({ ...big, small: 2 });
  });

  it('keep with them where the last request came from', async () => {
    const { sessions, age } = await open(make);
    await sessions.save('s', { a: 1 }, { ip: '10.0.0.1', userAgent: 'one' });
    await age(2 * minute);
    expect((await sessions.list())[0]).toMatchObject({ ip: '10.0.0.1', userAgent: 'one' });
    let loaded = await loadOf(sessions, 's');
    await sessions.save('s', loaded.data, { loaded, ip: '10.0.0.2' });
    expect((await sessions.list())[0]).toMatchObject({ ip: '10.0.0.2', userAgent: 'one' });
    loaded = await loadOf(sessions, 's');
    await sessions.save('s', { a: 2 }, { loaded, ip: `${'x'.repeat(100)}`, userAgent: `\0${'a'.repeat(510)}😀` });
    const [info] = await sessions.list();
    expect(info!.ip).toBe('x'.repeat(64));
    expect(info!.userAgent).toBe(`${'a'.repeat(510)}\ufffd`);
    await sessions.save('t', {}, { ip: '', userAgent: '' });
    expect((await sessions.list()).filter(({ ip }) => ip === undefined)).toHaveLength(1);
  });
}
