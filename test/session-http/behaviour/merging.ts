import { expect, it } from 'vitest';
import type { OpenAppUnderTest } from './setup';

export function describeMerging(open: OpenAppUnderTest): void {
  it('keeps what each has changed, and of one field what was written last', async () => {
    const { app } = await open();
    const browser = app.browser();
    await browser.visit(({ session }) => void Object.assign(session, { cart: [], theme: 'dark', old: true, shared: 0 }));
    const first = await browser.slowly(({ session }) => {
      session.cart.push('bread');
      session.shared = 1;
      delete session.old;
    });
    const second = await browser.slowly(({ session }) => void Object.assign(session, { theme: 'light', shared: 2 }));
    expect(await second.finish()).toMatchObject({ status: 200 });
    expect(await first.finish()).toMatchObject({ status: 200 });
    expect(await browser.data()).toEqual({ cart: ['bread'], theme: 'light', shared: 1 });
  });

  it('does so for many at once', async () => {
    const { app } = await open();
    const browser = app.browser();
    await browser.visit(({ session }) => void (session.user = 'anna'));
    const visits = await Promise.all(Array.from({ length: 20 }, (_, i) => browser.slowly(({ session }) => void (session[`f${i}`] = i))));
    for (const { status } of await Promise.all(visits.map((visit) => visit.finish()))) expect(status).toBe(200);
    expect(Object.keys(await browser.data())).toHaveLength(21);
  });

  it('does not undo what others wrote while a request saved twice', async () => {
    const { app } = await open();
    const browser = app.browser();
    await browser.visit(({ session }) => void Object.assign(session, { a: 0, b: 0 }));
    const slow = await browser.slowly(async (visit) => {
      visit.session.a = 1;
      await visit.save();
      await browser.visit(({ session }) => void Object.assign(session, { a: 2 }));
      visit.session.b = 1;
    });
    expect(await slow.finish()).toMatchObject({ status: 200 });
    expect(await browser.data()).toEqual({ a: 2, b: 1 });
  });

  it('does so for the request that has made the session', async () => {
    const { app } = await open();
    const maker = app.browser();
    const other = app.browser();
    await maker.visit(async (visit) => {
      visit.session.a = 1;
      await visit.save();
      const id = visit.sid;
      await visit.reload();
      expect(visit.sid).toBe(id);
      visit.session.b = 1;
    });
    other.cookie = maker.cookie;
    expect(await other.data()).toEqual({ a: 1, b: 1 });
  });

  it('leaves the data of a request that only reads as others have written them', async () => {
    const { app } = await open({ session: { touchAfter: 0 }, rolling: true });
    const browser = app.browser();
    await browser.visit(({ session }) => void (session.n = 1));
    const reader = await browser.slowly(({ session }) => session.n);
    await browser.visit(({ session }) => void (session.n = 2));
    expect(await reader.finish()).toMatchObject({ status: 200, value: 1 });
    expect(await browser.data()).toEqual({ n: 2 });
  });
}
