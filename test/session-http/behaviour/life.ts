import { expect, it } from 'vitest';
import { day, hour, minute, second, type OpenAppUnderTest } from './setup';

export function describeLife(open: OpenAppUnderTest): void {
  it('begins when there is something to keep', async () => {
    const { app, sessions } = await open();
    const browser = app.browser();
    expect(await browser.data()).toEqual({});
    expect(browser.cookie).toBeUndefined();
    expect(await sessions.count()).toBe(0);

    const sid = await browser.visit(({ session, sid }) => {
      session.user = 'anna';
      return sid;
    });
    expect(await browser.visit(({ session, sid }) => [session.user, sid])).toEqual(['anna', sid]);
    expect(await sessions.count()).toBe(1);
    expect((await sessions.load(sid))!.data).toMatchObject({ user: 'anna', cookie: { path: '/', httpOnly: true } });
    expect(await app.browser().data()).toEqual({});
  });

  it('keeps plain JSON', async () => {
    const { app } = await open();
    const browser = app.browser();
    class Money {
      constructor(
        readonly cents: number,
        readonly currency: string,
      ) {}

      toJSON(): string {
        return `${this.cents} ${this.currency}`;
      }
    }
    const now = new Date();
    await browser.visit(({ session }) => {
      Object.assign(session, { list: [1, null, { deep: [true] }], at: now, total: new Money(5, 'EUR'), nothing: undefined, no: null });
      session.work = () => {};
      session['any key, "quoted" \\ ünï'] = '';
    });
    const kept = { list: [1, null, { deep: [true] }], at: now.toJSON(), total: '5 EUR', no: null, 'any key, "quoted" \\ ünï': '' };
    expect(await browser.data()).toEqual(kept);
    await browser.visit(({ session }) => {
      session.list[2].deep.push(false);
      delete session.no;
      session.at = undefined;
    });
    expect(await browser.data()).toEqual({
      list: [1, null, { deep: [true, false] }],
      total: '5 EUR',
      'any key, "quoted" \\ ünï': '',
    });
  });

  it('is saved in the middle of a request too', async () => {
    const { app, sessions } = await open();
    const browser = app.browser();
    const seen = await browser.visit(async (visit) => {
      visit.session.step = 1;
      await visit.save();
      const { data } = (await sessions.load(visit.sid))!;
      visit.session.more = true;
      return data['step'];
    });
    expect(seen).toBe(1);
    expect(await browser.data()).toEqual({ step: 1, more: true });
  });

  it('is prolonged by reading, and until then costs no write', async () => {
    const { app, sessions, age, events } = await open({ session: { ttl: '1h' } });
    const browser = app.browser();
    const sid = await browser.visit(({ session, sid }) => {
      session.user = 'anna';
      return sid;
    });
    expect(events()).toEqual(['created']);
    for (let i = 0; i < 3; i++) await browser.data();
    expect(new Set(events())).toEqual(new Set(['spared']));
    await age(2 * minute);
    const before = (await sessions.load(sid))!.expiresAt;
    await browser.data();
    expect(events()).toEqual(['touched']);
    const after = (await sessions.load(sid))!.expiresAt;
    expect(after.getTime()).toBeGreaterThan(before.getTime() + minute);
    await browser.data();
    expect(events()).toEqual(['spared']);
    for (let i = 0; i < 3; i++) {
      await age(40 * minute);
      expect(await browser.data()).toEqual({ user: 'anna' });
    }
  });

  it('is prolonged with its cookie', async () => {
    const { app, age, events, sessions } = await open({ cookie: { maxAge: 10 * day }, rolling: true });
    const browser = app.browser();
    const sid = await browser.visit(({ session, sid }) => {
      session.user = 'anna';
      return sid;
    });
    expect(await browser.data()).toEqual({ user: 'anna' });
    expect(events()).toEqual(['created', 'spared']);
    for (let i = 0; i < 3; i++) {
      await age(2 * minute);
      const answer = await browser.try(({ session }) => session.user);
      expect(answer).toMatchObject({ status: 200, value: 'anna', setCookie: expect.stringContaining('Expires=') });
      expect(events()).toEqual(['touched']);
      const { expiresAt, data } = (await sessions.load(sid))!;
      expect(expiresAt.getTime() - Date.now()).toBeGreaterThan(10 * day - minute);
      // express-session reckons its age anew, now and then a millisecond less.
      expect(data['cookie']).toMatchObject({ originalMaxAge: expect.closeTo(10 * day, -2), expires: expiresAt.toISOString() });
    }
  });

  it('keeps another age that its cookie is given, which is data, and no difference of a millisecond', async () => {
    const { app, events, sessions } = await open({ cookie: { maxAge: day } });
    const browser = app.browser();
    const sid = await browser.visit(({ session, sid }) => {
      session.user = 'anna';
      return sid;
    });
    events();
    await browser.visit(({ session }) => void session.cookie.originalMaxAge--);
    expect(events()).toEqual(['spared']);
    await browser.visit(({ session }) => void (session.cookie.originalMaxAge = session.cookie.maxAge = 30 * day));
    expect(events()).toEqual(['changed']);
    for (let i = 0; i < 2; i++) {
      const { expiresAt, data } = (await sessions.load(sid))!;
      expect(expiresAt.getTime() - Date.now()).toBeGreaterThan(30 * day - minute);
      expect(Math.abs((data['cookie'] as { originalMaxAge: number }).originalMaxAge - 30 * day)).toBeLessThan(10);
      await browser.data();
    }
    expect(events()).toEqual(['spared', 'spared']);
  });

  it('lives for as long as its row says, not its stored cookie', async () => {
    const { app, sessions } = await open({ newId: () => 'a session id' });
    const browser = app.browser();
    await browser.visit(({ session }) => void (session.user = 'anna'));
    const past = new Date(Date.now() - hour).toISOString();
    const cookie = { originalMaxAge: hour, expires: past, originalExpires: past, path: '/' };
    await sessions.save('a session id', { user: 'berta', cookie }, { expiresAt: new Date(Date.now() + hour) });
    expect(await browser.visit(({ session, sid }) => [session.user, sid, new Date(session.cookie.expires) > new Date()])).toEqual([
      'berta',
      'a session id',
      true,
    ]);
  });

  it('ends when it has not been used', async () => {
    const { app, sessions, age, sweep } = await open({ session: { ttl: '1h' } });
    const browser = app.browser();
    const before = await browser.visit(({ session, sid }) => {
      session.user = 'anna';
      return sid;
    });
    await age(hour + second);
    expect(await browser.visit(({ session, sid }) => [session.user, sid === before])).toEqual([null, false]);
    expect(await sessions.count()).toBe(0);
    expect(await sweep()).toBe(1);
  });

  it('ends by its absolute lifetime however much it is used', async () => {
    const { app, age } = await open({ session: { ttl: '1h', absoluteTtl: '2h' } });
    const browser = app.browser();
    await browser.visit(({ session }) => void (session.user = 'anna'));
    for (const user of ['anna', 'anna', null]) {
      await age(45 * minute);
      expect(await browser.visit(({ session }) => session.user)).toBe(user);
    }
  });

  it('ends with destroy', async () => {
    const { app, sessions, events } = await open();
    const browser = app.browser();
    await browser.visit(({ session }) => void (session.user = 'anna'));
    const { cookie } = browser;
    await browser.visit((visit) => visit.destroy());
    expect(await sessions.count()).toBe(0);
    expect(events()).toEqual(['created', 'destroyed']);
    browser.cookie = cookie;
    expect(await browser.data()).toEqual({});
    await browser.visit((visit) => visit.destroy());
    expect(app.errors).toEqual([]);
  });

  it('gets another id by regenerate, and the old one is worth nothing', async () => {
    const { app, sessions } = await open();
    const browser = app.browser();
    const before = await browser.visit(({ session, sid }) => {
      session.cart = ['bread'];
      return sid;
    });
    const { cookie } = browser;
    const after = await browser.visit(async (visit) => {
      const { cart } = visit.session;
      await visit.regenerate();
      Object.assign(visit.session, { cart, user: 'anna' });
      return visit.sid;
    });
    expect(after).not.toBe(before);
    expect(await browser.data()).toEqual({ cart: ['bread'], user: 'anna' });
    browser.cookie = cookie;
    expect(await browser.data()).toEqual({});
    expect(await sessions.count()).toBe(1);
  });

  it('sees by reload what others have written', async () => {
    const { app } = await open();
    const browser = app.browser();
    await browser.visit(({ session }) => void (session.n = 1));
    const slow = await browser.slowly(async (visit) => {
      visit.session.lost = true;
      await visit.reload();
      const seen = visit.session.n;
      visit.session.n++;
      return seen;
    });
    await browser.visit(({ session }) => void (session.n = 10));
    expect(await slow.finish()).toMatchObject({ status: 200, value: 10 });
    expect(await browser.data()).toEqual({ n: 11 });
  });

  it('may be one that the app made itself', async () => {
    const { app, sessions, events } = await open();
    const browser = app.browser();
    const sid = await browser.visit(({ session, sid }) => {
      session.cookie.maxAge = hour;
      session.user = 'anna';
      return sid;
    });
    await sessions.save(sid, { invited: true });
    expect(await browser.visit(({ session }) => [session.invited, session.user])).toEqual([true, null]);
    events();
    await browser.data();
    expect(events()).toEqual(['spared']);
  });
}
