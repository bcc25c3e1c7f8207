import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { eventually } from '../../support/database';
import { day, hour, second, type OpenAppUnderTest } from './setup';

const yesterday = (): Date => new Date(Date.now() - day);

export function describeBadInput(open: OpenAppUnderTest): void {
  it('takes a session id of 10 kB', async () => {
    const { app, sessions } = await open({ newId: () => randomBytes(5_000).toString('hex') });
    const browser = app.browser();
    await browser.visit(({ session }) => void (session.user = 'anna'));
    expect(await browser.visit(({ session, sid }) => [session.user, sid.length])).toEqual(['anna', 10_000]);
    const [info] = await sessions.list();
    expect(info!.id).toMatch(/^sha256-.{43}$/);
    await browser.visit((visit) => visit.destroy());
    expect(await sessions.count()).toBe(0);
  });

  it('takes a session id in the form of the hash of one for nobody, so that a hash opens nothing', async () => {
    let next = 'a session id';
    const { app, sessions } = await open({ newId: () => next });
    await app.browser().visit(({ session }) => void (session.user = 'anna'));
    const [info] = await sessions.list();
    next = info!.id;
    const thief = app.browser();
    await thief.try(({ session }) => void (session.user = 'mallory'));
    expect(await eventually(() => app.errors[0])).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await thief.data()).toEqual({});
    await app.browser().visit((visit) => visit.destroy());
    expect((await sessions.load('a session id'))!.data).toMatchObject({ user: 'anna' });
  });

  it('ends a session whose cookie has expired', async () => {
    const { app, sessions } = await open({ cookie: { expires: yesterday() } });
    const browser = app.browser();
    await browser.visit(({ session }) => void (session.user = 'anna'));
    expect(app.errors).toEqual([]);
    expect(await sessions.count()).toBe(0);
    expect(await browser.data()).toEqual({});
  });

  it('ends a session whose cookie is made to expire', async () => {
    const { app, sessions } = await open({ cookie: { maxAge: hour } });
    const browser = app.browser();
    await browser.visit(({ session }) => void (session.user = 'anna'));
    expect(await browser.data()).toEqual({ user: 'anna' });
    await browser.visit((visit) => {
      visit.session.cookie.expires = yesterday();
      visit.session.cookie.originalMaxAge = null;
      visit.session.bye = true;
      return visit.save();
    });
    expect(await sessions.count()).toBe(0);
    expect(app.errors).toEqual([]);
  });

  it('lets a session without an end in its cookie live for the default', async () => {
    const { app, sessions, age } = await open({ session: { ttl: '2h' } });
    const browser = app.browser();
    const sid = await browser.visit(({ session, sid }) => {
      expect(session.cookie.expires).toBeNull();
      session.user = 'anna';
      return sid;
    });
    const { expiresAt } = (await sessions.load(sid))!;
    expect(expiresAt.getTime() - Date.now()).toBeGreaterThan(2 * hour - 10 * second);
    expect(expiresAt.getTime() - Date.now()).toBeLessThanOrEqual(2 * hour + second);
    await age(2 * hour + second);
    expect(await browser.data()).toEqual({});
  });

  it('refuses what PostgreSQL cannot keep, and what is over the limit: reported, and nothing written', async () => {
    const { app, sessions } = await open({ maxValueSize: 1_000 });
    const browser = app.browser();
    const sid = await browser.visit(({ session, sid }) => {
      session.user = 'anna';
      return sid;
    });
    const bad = { 'a null character': 'a\0b', 'half a pair': '\ud800', 'too much': 'x'.repeat(1_001) };
    for (const [what, value] of Object.entries(bad)) {
      app.errors.length = 0;
      await browser.try(({ session }) => void Object.assign(session, { value, more: 1 }));
      expect(await eventually(() => app.errors[0]), what).toMatchObject({ code: 'INVALID_VALUE' });
      expect((await sessions.load(sid))!.data, what).not.toHaveProperty('more');
    }
    await expect(browser.data()).resolves.toEqual({ user: 'anna' });
  });

  it('tells a request that saves what is not JSON', async () => {
    const { app } = await open();
    const browser = app.browser();
    const code = await browser.visit(async (visit) => {
      visit.session.toJSON = () => 'text';
      const error = await visit.save().catch((thrown: unknown) => thrown as { code: string });
      delete visit.session.toJSON;
      return error?.code;
    });
    expect(code).toBe('INVALID_VALUE');
  });
}
