import { expect, it } from 'vitest';
import { fullName, hour, open, type MakeKv } from './setup';

export function describeNamespaces(makeKv: MakeKv): void {
  it('keep their entries apart', async () => {
    const { kv } = await open(makeKv);
    const [a, b] = [kv.namespace('a'), kv.ns('b')];
    await Promise.all([kv.set('k', 'root'), a.set('k', 'a'), b.set('k', 'b'), a.ns('b').set('k', 'a:b')]);
    expect(await kv.set('a:k', 'a key like any other')).toBe(true);
    expect(await Promise.all([kv.get('k'), a.get('k'), b.get('k'), kv.ns('a:b').get('k')])).toEqual(['root', 'a', 'b', 'a:b']);
    expect(await a.scan()).toEqual(['k']);
    expect(await a.count()).toBe(1);
    expect(await a.delete('k')).toBe(1);
    expect(await kv.mget('k', 'a:k')).toEqual(['root', 'a key like any other']);
    expect(await Promise.all([kv.ns('x').incr('n'), kv.ns('y').incr('n', 2), kv.incr('n', 3)])).toEqual([1, 2, 3]);
  });

  it('say their names, and those inside them', async () => {
    const { kv } = await open(makeKv);
    expect(kv.ns('a').ns('b').namespaceName).toBe(fullName(kv, 'a:b'));
    expect(kv.ns('a:b').namespaceName).toBe(fullName(kv, 'a:b'));
    const names = ['a', 'a:b', 'a:b:c', 'ab', 'b:c', 'ö "x" \' % _ *'];
    for (const name of [...names].reverse()) await kv.ns(name).set('k', 1);
    await kv.set('k', 1);
    expect(await kv.namespaces()).toEqual(names);
    expect(await kv.ns('a').namespaces()).toEqual(['b', 'b:c']);
    expect(await kv.ns('b').namespaces()).toEqual(['c']);
    expect(await kv.ns('a:b:c').namespaces()).toEqual([]);
    for (const name of await kv.ns('a').namespaces()) expect(await kv.ns('a').ns(name).get('k')).toBe(1);
  });

  it('are not named when all in them has expired', async () => {
    const { kv, age } = await open(makeKv);
    await kv.ns('old').set('k', 1, '1h');
    await kv.ns('young').set('k', 1, '1h');
    await kv.ns('young').set('l', 1);
    await age(2 * hour);
    expect(await kv.namespaces()).toEqual(['young']);
  });

  it('are cleared alone, or with those inside', async () => {
    const { kv } = await open(makeKv);
    const write = async (): Promise<void> => {
      for (const name of ['a', 'a:b', 'a:b:c', 'ab']) await kv.ns(name).mset({ k: 1, l: 2 });
      await kv.set('k', 1);
    };
    await write();
    expect(await kv.ns('a').clear()).toBe(2);
    expect(await kv.namespaces()).toEqual(['a:b', 'a:b:c', 'ab']);
    await write();
    expect(await kv.ns('a').clear({ nested: true })).toBe(6);
    expect(await kv.namespaces()).toEqual(['ab']);
    expect(await kv.clear()).toBe(1);
    expect(await kv.namespaces()).toEqual(['ab']);
    await write();
    expect(await kv.clear({ nested: true })).toBe(9);
    expect(await kv.namespaces()).toEqual([]);
  });

  it('have no way out', async () => {
    const { kv } = await open(makeKv);
    const tenant = kv.ns('tenant');
    for (const name of ['', ':', '::', ':other', 'x:', 'x::y', '..:']) {
      expect(() => tenant.ns(name)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', argument: 'namespace' }));
      expect(() => tenant.collection(name)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', argument: 'collection' }));
      await expect(tenant.find(name, 'a', 1)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'collection' });
    }
    expect(tenant.ns('..').namespaceName).toBe(fullName(kv, 'tenant:..'));
  });

  it('may be 128 bytes long, and no longer', async () => {
    const { kv } = await open(makeKv);
    const room = 128 - Buffer.byteLength(fullName(kv, ''));
    const name = `${'ģ'.repeat(Math.floor(room / 2))}${'x'.repeat(room % 2)}`;
    const long = kv.ns(name);
    await long.set('k', 1);
    expect(await long.get('k')).toBe(1);
    expect(await kv.namespaces()).toEqual([name]);
    expect(() => long.ns('x')).toThrow(expect.objectContaining({ argument: 'namespace' }));
    expect(() => kv.ns('n'.repeat(room + 1))).toThrow(expect.objectContaining({ argument: 'namespace' }));
  });
}
