import { expect, it } from 'vitest';
import type { SessionInfo } from '../../../lib/session/sessions';
import type { Visit } from '../web-app';
import type { OpenAppUnderTest } from './setup';

const byUser = { userId: (session: Record<string, any>) => session['user'] as string | undefined };

export function describeUsers(open: OpenAppUnderTest): void {
  it('are listed in all their browsers, and logged out everywhere but here', async () => {
    const { app, sessions } = await open({ session: byUser });
    const [home, phone, others] = [app.browser(), app.browser(), app.browser()];
    const logIn =
      (user: string) =>
      async (visit: Visit): Promise<void> => {
        await visit.regenerate();
        visit.session.user = user;
      };
    await home.visit(({ session }) => void (session.cart = ['bread']));
    await home.visit(logIn('anna'));
    await phone.visit(logIn('anna'));
    await others.visit(logIn('berta'));
    expect(await sessions.sessionsOf('anna')).toHaveLength(2);
    expect(await sessions.count()).toBe(3);

    const ended = await home.visit(({ session, sid }) => sessions.destroyByUser(session.user, { except: sid }));
    expect(ended).toBe(1);
    expect(await home.visit(({ session }) => session.user)).toBe('anna');
    expect(await phone.visit(({ session }) => session.user)).toBe(null);
    expect(await others.visit(({ session }) => session.user)).toBe('berta');
  });

  it('are logged out with the transaction, or not at all', async () => {
    const { app, sessions, transaction } = await open({ session: byUser });
    const browser = app.browser();
    await browser.visit(({ session }) => void (session.user = 'anna'));
    const logOut = (fail: boolean): Promise<void> =>
      transaction(async (tx) => {
        await tx.sessions.destroyByUser('anna');
        if (fail) throw new Error('wrong password');
      });
    await expect(logOut(true)).rejects.toThrow('wrong password');
    expect(await browser.data()).toEqual({ user: 'anna' });
    await logOut(false);
    expect(await browser.data()).toEqual({});
    expect(await sessions.count()).toBe(0);
  });

  it('have no more sessions than allowed', async () => {
    const { app } = await open({ session: { ...byUser, maxPerUser: 2 } });
    const browsers = Array.from({ length: 3 }, () => app.browser());
    for (const browser of browsers) await browser.visit(({ session }) => void (session.user = 'anna'));
    const users = await Promise.all(browsers.map((browser) => browser.visit(({ session }) => session.user)));
    expect(users).toEqual([null, 'anna', 'anna']);
  });

  it('may be a thousand, listed in pages', async () => {
    const { app, sessions } = await open({ session: byUser });
    const browser = app.browser();
    await browser.visit(({ session }) => {
      session.user = 'u0';
      return Promise.all(Array.from({ length: 999 }, (_, i) => sessions.save(`session ${i}`, { user: `u${i + 1}` }))).then(() => {});
    });
    const users = new Set<string>();
    const pages: number[] = [];
    for (let after: string | undefined; ;) {
      const page: SessionInfo[] = await browser.visit(() => sessions.list({ limit: 300, ...(after !== undefined && { after }) }));
      pages.push(page.length);
      for (const { userId } of page) users.add(userId!);
      if (page.length < 300) break;
      after = page.at(-1)!.id;
    }
    expect([pages, users.size]).toEqual([[300, 300, 300, 100], 1_000]);
    expect(await browser.visit(() => sessions.count())).toBe(1_000);
    expect(await sessions.clear()).toBe(1_000);
    expect(await browser.data()).toEqual({});
  });
}
