import * as v from 'valibot';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { defineCollection } from '../../../lib/kv/collection-definition';
import { collect, fullName, hour, open, type MakeKv } from './setup';

const User = z.object({
  email: z.email(),
  born: z.coerce.date<string>(),
  profile: z.object({ city: z.string() }),
  role: z.enum(['user', 'admin']).default('user'),
});
const Users = defineCollection('users', { schema: User, ttl: '3h', indexes: ['profile.city'] });
const anna = { email: 'anna@x.lv', born: '1990-01-01', profile: { city: 'Rīga' } };
const annaRead = { ...anna, born: new Date('1990-01-01'), role: 'user' };

export function describeCollections(makeKv: MakeKv): void {
  it('a collection is the namespace of its name', async () => {
    const { kv } = await open(makeKv);
    const plain = kv.collection<{ a: number }>('plain');
    expect(plain.name).toBe(fullName(kv, 'plain'));
    expect(kv.ns('in').collection('plain').name).toBe(fullName(kv, 'in:plain'));
    expect(await plain.set('1', { a: 1 })).toBe(true);
    expect(await kv.ns('plain').get('1')).toEqual({ a: 1 });
    expect(await kv.ns('in').collection('plain').get('1')).toBeUndefined();
  });

  it('keeps what is given and gives what the schema makes of it', async () => {
    const { kv } = await open(makeKv);
    const users = kv.collection(Users);
    expect(await users.set('1', anna)).toBe(true);
    expect(await kv.ns('users').get('1')).toEqual(anna);
    expect(await users.get('1')).toEqual(annaRead);
    expect(await users.getOrThrow('1')).toEqual(annaRead);
    const entry = await users.getEntry('1');
    expect(entry).toMatchObject({ key: '1', value: annaRead });
    expect(entry).toEqual({ ...(await kv.ns('users').getEntry('1')), value: annaRead, ttl: expect.any(Number) as number });
    expect(await users.mget('1', 'x', '1')).toEqual([annaRead, undefined, annaRead]);
    expect(await users.mget(['x'])).toEqual([undefined]);
    expect(await users.get('x')).toBeUndefined();
    expect(await users.getEntry('x')).toBeUndefined();
    await expect(users.getOrThrow('x')).rejects.toMatchObject({ code: 'KEY_NOT_FOUND', key: 'x' });
    expect(await users.has('1')).toBe(true);
    expect(await collect(users.entries())).toEqual([['1', annaRead]]);
  });

  it('writes nothing that does not fit', async () => {
    const { kv } = await open(makeKv);
    const users = kv.collection(Users);
    await users.set('1', anna);
    const bad = { ...anna, email: 'nobody' };
    const refused = { code: 'INVALID_VALUE', key: '1', issues: [{ path: ['email'] }] };
    for (const write of [
      () => users.set('1', bad),
      () => users.setnx('1', bad),
      () => users.mset({ '2': anna, '1': bad }),
      () => users.getAndSet('1', bad),
      () => users.compareAndSet('1', anna, bad),
      () => users.update('1', () => bad),
      () => users.merge('1', { email: 'nobody' }),
    ]) {
      await expect(write()).rejects.toMatchObject(refused);
    }
    expect(await collect(kv.ns('users').entries())).toEqual([['1', anna]]);
  });

  it('does all that a Kv does', async () => {
    const { kv, age } = await open(makeKv);
    const users = kv.collection(Users);
    const berta = { ...anna, email: 'berta@x.lv' };
    expect(await users.setnx('1', anna, '1h')).toBe(true);
    expect(await users.setnx('1', berta)).toBe(false);
    expect(await users.ttl('1')).toBeLessThanOrEqual(hour);
    expect(await users.expire('1', '2h')).toBe(true);
    expect(await users.ttl('1')).toBeGreaterThan(hour);
    expect(await users.getAndSet('1', berta)).toEqual(annaRead);
    expect(await users.compareAndSet('1', anna, anna)).toEqual({ ok: false, current: { ...annaRead, email: 'berta@x.lv' } });
    expect(await users.compareAndSet('1', Object.fromEntries(Object.entries(berta).reverse()) as typeof berta, anna)).toMatchObject({
      ok: true,
    });
    expect(await users.mset({ '2': berta, '3': anna }, '9h')).toBe(2);
    expect(await users.mset([['2', berta]])).toBe(1);
    expect(await users.mset(new Map([['4', anna]]))).toBe(1);
    expect(await users.count()).toBe(4);
    expect(await users.count('[12]')).toBe(2);
    expect(await collect(users.keys())).toEqual(['1', '2', '3', '4']);
    expect(await collect(users.keys({ prefix: '3' }))).toEqual(['3']);
    expect(await collect(users.entries('2'))).toEqual([['2', { ...annaRead, email: 'berta@x.lv' }]]);
    expect(await users.getAndDelete('4')).toEqual(annaRead);
    expect(await users.getAndDelete('4')).toBeUndefined();
    expect(await users.delete('1', '4', '1')).toBe(1);
    await age(4 * hour);
    expect(await users.has('2')).toBe(false);
    expect(await users.has('3')).toBe(true);
    expect(await users.clear()).toBe(1);
    expect(await users.count()).toBe(0);
  });

  it('has a time to live of its own', async () => {
    const { kv, age } = await open(makeKv);
    const users = kv.collection(Users);
    await users.set('1', anna);
    await users.mset({ '2': anna });
    await users.update('3', () => anna);
    await users.set('4', anna, '1h');
    await users.set('4', anna, { ifPresent: true });
    for (const id of ['1', '2', '3', '4']) expect(await users.ttl(id)).toBeGreaterThan(2 * hour);
    await age(4 * hour);
    expect(await users.count()).toBe(0);
  });

  it('update gives the value out and takes it in', async () => {
    const { kv } = await open(makeKv);
    const users = kv.collection(Users);
    const seen: unknown[] = [];
    const rename = (email: string) =>
      users.update('1', async (user) => {
        seen.push(user);
        return { ...(user ?? anna), born: '1990-01-01', email };
      });
    expect(await rename('b@x.lv')).toEqual({ ...annaRead, email: 'b@x.lv' });
    expect(await rename('c@x.lv')).toEqual({ ...annaRead, email: 'c@x.lv' });
    expect(seen).toEqual([undefined, { ...annaRead, email: 'b@x.lv' }]);
    expect(await users.update('1', () => undefined)).toBeUndefined();
    expect(await users.get('1')).toEqual({ ...annaRead, email: 'c@x.lv' });
  });

  it('update and merge write nothing that could not be read again', async () => {
    const { kv } = await open(makeKv);
    const dates = kv.collection('dates', { schema: z.object({ at: z.date().optional(), n: z.number() }) });
    await dates.set('1', { n: 1 });
    await expect(dates.update('1', () => ({ at: new Date(), n: 2 }))).rejects.toMatchObject({ code: 'INVALID_VALUE' });
    await expect(dates.merge('1', { at: new Date() })).rejects.toMatchObject({ code: 'INVALID_VALUE' });
    expect(await dates.get('1')).toEqual({ n: 1 });
    // Given as a Date, though it would be kept as the text that fits.
    const texts = kv.collection('texts', { schema: z.object({ at: z.string() }) });
    await expect(texts.update('1', () => ({ at: new Date() as never }))).rejects.toMatchObject({ code: 'INVALID_VALUE' });
    expect(await texts.has('1')).toBe(false);
  });

  it('merge is validated as a whole', async () => {
    const { kv } = await open(makeKv);
    const range = z.object({ from: z.number(), to: z.number() }).refine(({ from, to }) => from <= to, 'from is over to');
    const ranges = kv.collection('ranges', { schema: range });
    expect(await ranges.merge('1', { to: 5 })).toBeUndefined();
    await ranges.set('1', { from: 1, to: 2 }, '1h');
    expect(await ranges.merge('1', { to: 5 })).toEqual({ from: 1, to: 5 });
    expect(await ranges.merge('1', { from: 3, to: undefined as never })).toEqual({ from: 3, to: 5 });
    await expect(ranges.merge('1', { from: 6 })).rejects.toMatchObject({ code: 'INVALID_VALUE', key: '1' });
    await expect(ranges.merge('1', [] as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'patch' });
    expect(await ranges.get('1')).toEqual({ from: 3, to: 5 });
    expect(await ranges.ttl('1')).toBeGreaterThan(0);
    await kv.ns('ranges').set('2', 'text');
    await expect(ranges.merge('2', { from: 6 })).rejects.toMatchObject({ code: 'INVALID_VALUE', key: '2' });
    const plain = kv.collection<{ a?: number; b?: number }>('plain');
    await plain.set('1', { a: 1 });
    expect(await plain.merge('1', { b: 2 })).toEqual({ a: 1, b: 2 });
  });

  it('finds by the fields of what is kept', async () => {
    const { kv } = await open(makeKv);
    const users = kv.collection(Users);
    await users.mset({ '1': anna, '2': { ...anna, profile: { city: 'Cēsis' } }, '3': anna });
    expect(await users.find('profile.city', 'Rīga')).toEqual(['1', '3']);
    expect(await users.find('born', '1990-01-01')).toEqual(['1', '2', '3']);
    await users.merge('1', { profile: { city: 'Cēsis' } });
    await users.update('3', (user) => ({ ...user!, born: '1990-01-01', profile: { city: 'Ogre' } }));
    expect(await users.find('profile.city', 'Rīga')).toEqual([]);
    expect(await users.find('profile.city', 'Cēsis')).toEqual(['1', '2']);
    await expect(users.find('profile..city' as 'profile.city', 'x')).rejects.toMatchObject({ argument: 'field' });
  });

  it('takes schemas of valibot, and those that take their time', async () => {
    const { kv } = await open(makeKv);
    const carts = kv.collection('carts', { schema: v.object({ items: v.array(v.string()) }) });
    await carts.set('1', { items: ['x'] });
    expect(await carts.get('1')).toEqual({ items: ['x'] });
    await expect(carts.set('1', { items: [5] as never })).rejects.toMatchObject({
      code: 'INVALID_VALUE',
      issues: [{ path: [{ key: 'items' }, { key: 0 }] }],
    });
    const late = v.pipeAsync(
      v.string(),
      v.checkAsync(async (text) => text !== 'bad'),
    );
    const texts = kv.collection('texts', { schema: v.objectAsync({ text: late }) });
    await expect(texts.set('1', { text: 'bad' })).rejects.toMatchObject({ code: 'INVALID_VALUE', key: '1' });
    await expect(texts.mset({ '2': { text: 'good' }, '3': { text: 'bad' } })).rejects.toMatchObject({ key: '3' });
    expect(await texts.mset({ '2': { text: 'good' }, '3': { text: 'fine' } })).toBe(2);
    expect(await texts.update('2', (text) => ({ text: `${text!.text}!` }))).toEqual({ text: 'good!' });
    expect(await texts.mget('1', '2', '3')).toEqual([undefined, { text: 'good!' }, { text: 'fine' }]);
  });

  it('refuses definitions that make no sense', async () => {
    const { kv } = await open(makeKv);
    const refused = (argument: string) => expect.objectContaining({ code: 'INVALID_ARGUMENT', argument });
    for (const make of [defineCollection, kv.collection.bind(kv)] as ((name: any, options?: any) => unknown)[]) {
      expect(() => make('')).toThrow(refused('collection'));
      expect(() => make(undefined)).toThrow(refused('collection'));
      expect(() => make('a', { tll: '1h' })).toThrow(refused('tll'));
      expect(() => make('a', { ttl: 0 })).toThrow(refused('ttl'));
      expect(() => make('a', { ttl: '60' })).toThrow(refused('ttl'));
      expect(() => make('a', { schema: {} })).toThrow(refused('schema'));
      expect(() => make('a', { schema: null })).toThrow(refused('schema'));
      expect(() => make('a', { onInvalid: 'ignore' })).toThrow(refused('onInvalid'));
      expect(() => make('a', { indexes: 'email' })).toThrow(refused('indexes'));
      expect(() => make('a', { indexes: ['a..b'] })).toThrow(refused('indexes'));
      expect(() => make('a', { indexes: ['a\0'] })).toThrow(refused('indexes'));
      expect(() => make('a', { indexes: Array.from({ length: 33 }, (_, i) => `f${i}`) })).toThrow(refused('indexes'));
    }
    expect(() => kv.collection({ ...Users, name: 'x', indexed: [] } as never)).toThrow(refused('indexed'));
  });
}
