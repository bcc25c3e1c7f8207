import { expect, it } from 'vitest';
import { eventually } from '../../support/database';
import { gone, hour, minute, second, type AppUnderTest, type OpenAppUnderTest } from './setup';

type End = (app: AppUnderTest, sid: string) => Promise<unknown>;

const ends: Record<string, End> = {
  'was destroyed': ({ sessions }, sid) => sessions.destroy(sid),
  'has expired': async ({ age }) => age(hour + second),
  'was swept': async ({ age, sweep }) => {
    await age(hour + second);
    return sweep();
  },
  'was destroyed and swept': async ({ sessions, age, sweep }, sid) => {
    await sessions.destroy(sid);
    await age(hour + second);
    return sweep();
  },
  'was ended with all': ({ sessions }) => sessions.clear(),
};

export function describeEnds(open: OpenAppUnderTest): void {
  it.each(Object.entries(ends))('stays over that %s before a slower request saves it', async (_, end) => {
    const under = await open({ session: { ttl: '1h' } });
    const { app, sessions, events } = under;
    const browser = app.browser();
    const sid = await browser.visit(({ session, sid }) => {
      session.user = 'anna';
      return sid;
    });
    const { cookie } = browser;
    const slow = await browser.slowly(({ session }) => void (session.late = true));
    await end(under, sid);
    events();
    await slow.finish();
    expect(await eventually(() => app.errors[0])).toMatchObject(gone);
    expect(new Set(events())).toEqual(new Set(['gone']));
    expect(await sessions.load(sid)).toBeUndefined();
    browser.cookie = cookie;
    expect(await browser.data()).toEqual({});
    expect(await sessions.count()).toBe(0);
  });

  it('stays over that was regenerated before a slower request saves it', async () => {
    const { app, sessions } = await open();
    const browser = app.browser();
    await browser.visit(({ session }) => void (session.user = 'anna'));
    const { cookie } = browser;
    const slow = await browser.slowly(({ session }) => void (session.late = true));
    await browser.visit(async (visit) => {
      await visit.regenerate();
      visit.session.user = 'anna';
    });
    const renewed = browser.cookie;
    await slow.finish();
    expect(await eventually(() => app.errors[0])).toMatchObject(gone);
    browser.cookie = cookie;
    expect(await browser.data()).toEqual({});
    browser.cookie = renewed;
    expect(await browser.data()).toEqual({ user: 'anna' });
    expect(await sessions.count()).toBe(1);
  });

  it('stays over, and without an error where nothing was to be written', async () => {
    const { app, sessions, events, age } = await open({ session: { ttl: '1h' }, rolling: true });
    const browser = app.browser();
    const sid = await browser.visit(({ session, sid }) => {
      session.user = 'anna';
      return sid;
    });
    await age(2 * minute);
    const slow = await browser.slowly(({ session }) => session.user);
    await sessions.destroy(sid);
    events();
    expect(await slow.finish()).toMatchObject({ status: 200, value: 'anna' });
    expect(events()).toEqual(['gone']);
    expect(app.errors).toEqual([]);
    expect(await sessions.count()).toBe(0);
  });

  it('tells a request that saves by itself', async () => {
    const { app, sessions } = await open();
    const browser = app.browser();
    await browser.visit(({ session }) => void (session.user = 'anna'));
    const code = await browser
      .visit(async (visit) => {
        await sessions.destroy(visit.sid);
        visit.session.late = true;
        const error = await visit.save().catch((thrown: unknown) => thrown as { code: string });
        await visit.regenerate();
        visit.session.user = 'berta';
        return error?.code;
      })
      .finally(() => expect(app.errors).toEqual([]));
    expect(code).toBe('SESSION_GONE');
    expect(await browser.data()).toEqual({ user: 'berta' });
  });
}
