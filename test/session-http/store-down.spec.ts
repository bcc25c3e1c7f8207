import { describe, expect, it, onTestFinished } from 'vitest';
import { isPersistPgError } from '../../lib/error-checks';
import { eventually, testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { tcpProxy } from '../support/tcp-proxy';
import { ExpressApp } from './express-app';
import { FastifyApp } from './fastify-app';
import type { Browser, WebApp } from './web-app';

const database = testDatabase();

describe.each([
  // It has sent the answer by the time it knows.
  { framework: 'Express', openApp: ExpressApp.open, statusOfFailedSave: 200 },
  { framework: 'Fastify', openApp: FastifyApp.open, statusOfFailedSave: 500 },
])('without PostgreSQL, $framework', ({ openApp, statusOfFailedSave }) => {
  const open = async () => {
    const proxy = await tcpProxy(database.url);
    const persist = openPersistPg({ url: proxy.url, schema: database.schema, timeout: 1_000, tuning: { statementTimeout: 500 } });
    onTestFinished(async () => {
      await persist.close();
      await proxy.stop();
    });
    const app = await openApp(persist.sessions, { cookie: { maxAge: 3_600_000 } });
    const browser = app.browser();
    await browser.visit(({ session }) => void (session.user = 'anna'));
    return { proxy, app, browser };
  };
  const recovered = (browser: Browser): Promise<unknown> =>
    eventually(async () => (await browser.try(({ session }) => session.user)).value === 'anna');
  const reported = (app: WebApp): Promise<unknown> =>
    eventually(() => app.errors.length > 0 && app.errors.every((error) => isPersistPgError(error)));

  it('answers a request that cannot load its session with an error, and goes on afterwards', async () => {
    const { proxy, app, browser } = await open();
    await proxy.stop();
    const answers = await Promise.all(Array.from({ length: 5 }, () => browser.try(({ session }) => session.user)));
    expect(answers.map(({ status }) => status)).toEqual([500, 500, 500, 500, 500]);
    await reported(app);
    // Without a session there is nothing to load.
    expect(await app.browser().visit(() => 'welcome')).toBe('welcome');
    await proxy.start();
    await recovered(browser);
  });

  it('answers a request that cannot save its session, reports it, and keeps the cookie', async () => {
    const { proxy, app, browser } = await open();
    const { cookie } = browser;
    const answer = await browser.try(async ({ session }) => {
      await proxy.stop();
      session.user = 'berta';
      return session.user;
    });
    expect(answer.status).toBe(statusOfFailedSave);
    await reported(app);
    await proxy.start();
    browser.cookie = cookie;
    await recovered(browser);
  });

  it('answers a request that only reads, and one that cannot log out', async () => {
    const { proxy, browser } = await open();
    const answer = await browser.try(async ({ session }) => {
      await proxy.stop();
      return session.user;
    });
    expect(answer).toMatchObject({ status: 200, value: 'anna' });
    await proxy.start();
    await recovered(browser);
    const { cookie } = browser;
    const code = await browser.try(async (visit) => {
      await proxy.stop();
      return visit.destroy().then(
        () => 'destroyed',
        (error: unknown) => isPersistPgError(error),
      );
    });
    expect(code.value).toBe(true);
    await proxy.start();
    browser.cookie = cookie;
    await recovered(browser);
  });

  it('answers in time while PostgreSQL says nothing', async () => {
    const { proxy, app, browser } = await open();
    proxy.pause();
    const answer = await browser.try(({ session }) => session.user);
    expect(answer.status).toBe(500);
    await reported(app);
    proxy.resume();
    await recovered(browser);
  });
});
