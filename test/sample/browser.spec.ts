import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/database';
import { openPersistPg } from '../support/instance';
import { checkout } from './checkout';
import { findChromium } from './chromium';
import { ownDatabase } from './own-database';
import { screenshot } from './screenshot';
import { Shop } from './shop';
import { shows, Visitor } from './visitor';

const patiently = { deadline: 20_000 };
const executablePath = findChromium();

describe.skipIf(executablePath === undefined)('the page', () => {
  const database = ownDatabase('page');
  const folder = checkout('page');
  let shop: Shop;
  let browser: Browser;
  let home: Visitor;
  /** Path of a share link that works for ten seconds. */
  let link: string;

  const visit = async (): Promise<Visitor> => Visitor.of(await browser.newContext({ viewport: { width: 1240, height: 900 } }), shop.url);

  beforeAll(async () => {
    [shop, browser] = await Promise.all([Shop.open(folder, database.url), chromium.launch({ executablePath: executablePath! })]);
    home = await visit();
  });

  afterAll(async () => {
    await browser?.close();
    await shop?.close();
  });

  /** Views and stock of a product, as the table says. */
  const product = async (name: string): Promise<{ views: number; stock: number }> => {
    const cells = await home.card('Products').getByRole('row', { name }).getByRole('cell').allInnerTexts();
    return { views: Number(cells[1]), stock: Number(cells[2]) };
  };

  it('counts views, in another tab and many at once', async () => {
    await shows(home.card('Products'), /Rye bread/);
    expect(await product('Rye bread')).toEqual({ views: 0, stock: 12 });
    await home.press('Products', '20 visitors open Rye bread', /^20 visitors/);
    await eventually(async () => (await product('Rye bread')).views === 20);
    const tab = await home.tab(() => home.page.getByRole('link', { name: 'Rye bread' }).click({ modifiers: ['ControlOrMeta'] }));
    await shows(tab.locator('main'), /^The shop\s+Rye bread[^]*opened 21 times/);
    await tab.close();
  });

  it('makes a share link, and counts who follows it', async () => {
    link = (await home.press('Share links', 'Make a link', /^Made \/s\//)).slice('Made '.length);
    const shown = home.card('Share links').getByRole('link', { name: link });
    const tab = await home.tab(() => shown.click({ modifiers: ['ControlOrMeta'] }));
    await shows(tab.locator('h1'), /^Amber pendant$/);
    await tab.close();
    await home.press('Products', 'Restock Linen towel', /in stock again/);
    await shows(home.card('Share links'), /amber-pendant, 1 followed, \d s left/);
  });

  it('shows a price list made, kept, and evicted with a new price', async () => {
    const get = () => home.press('Cache', 'Get the price list', /(HIT|MISS) in \d+ ms/);
    expect(await get()).toMatch(/^MISS/);
    await shows(home.card('Cache'), /Amber pendant, 49\.00 €/);
    // The answer goes out before it is kept.
    await eventually(async () => (await get()).startsWith('HIT'));
    await home.press('Cache', 'Raise its price', /10 cents higher/);
    expect(await get()).toMatch(/^MISS/);
    await shows(home.card('Cache'), /Amber pendant, 49\.10 €/);
    await home.press('Cache', '20 ask for the bestsellers', /^20 answers, worked out once, at /);
  });

  it('sells what is there and no more, and undoes what fails', async () => {
    const card = home.card('Orders');
    await card.getByLabel('Product').selectOption('wool-mittens');
    await home.press('Orders', 'Order', /^Order \d+ is placed; 10 left\.$/, { Quantity: '2' });
    await shows(card, /1 orders in TypeORM's table, 1 receipts in the KV/);
    await home.press('Orders', 'Order, and let the payment fail', /^422: The payment failed/);
    await shows(card, /1 orders in TypeORM's table, 1 receipts in the KV/);
    await home.press('Orders', '20 customers at once', /^10 of 20 orders were placed; the others were told: 10 × 409: Sold out\.$/, {
      Quantity: '1',
    });
    await shows(card, /11 orders in TypeORM's table, 11 receipts in the KV/);
    await eventually(async () => (await product('Wool mittens')).stock === 0);
    await home.press('Products', 'Restock Wool mittens', /in stock again/);
    await eventually(async () => (await product('Wool mittens')).stock === 12);
  });

  it('signs up one of those who want a name, and tells the others with a 409', async () => {
    const names = (username: string, email: string) => ({ 'User name': username, 'E-mail': email });
    await home.press('Accounts', 'Sign up', /^Welcome, Anna\.$/);
    await home.press('Accounts', 'Sign up', /^409: username is taken$/, names('ANNA', 'other@example.com'));
    await home.press('Accounts', 'Sign up', /^409: email is taken$/, names('Bruno', 'Anna@Example.com'));
    const [rush, told] = ['Ten want this name at once', /^1 of 10 signed up; the others were told: 9 × 409: username is taken$/];
    await home.press('Accounts', rush, told, names('Zane', 'zane@example.com'));
    await home.press('Accounts', 'Leave as Zane', /^Zane is free again\.$/);
    await home.press('Accounts', 'Sign up', /^Welcome, Zane\.$/, names('Zane', 'zane@example.com'));
  });

  it('limits guessing, and shows the tries that are left', async () => {
    const tries = home.card('Login').locator('#tries');
    await shows(tries, /^3 of 3 tries left for anna\.$/);
    await home.press('Login', 'Log in', /^401: Wrong password, 2 more tries\.$/, { Password: 'butter' });
    await shows(tries, /^2 of 3 tries left for anna\.$/);
    const guesses = await home.press('Login', 'Guess ten times at once', /8 × 429: rate limit exceeded, try again in \d+ s/);
    expect(guesses).toContain('1 × 401: Wrong password, 1 more tries.');
    await shows(tries, /^0 of 3 tries left for anna; the next in \d+ s\.$/);
    await home.press('Login', 'Log in', /^429: rate limit exceeded/, { Password: 'rye bread' });
  });

  it('has one session in two tabs, another in another browser, and ends them', { timeout: 30_000 }, async () => {
    const phone = await visit();
    const login = (visitor: Visitor, password = 'rye bread') =>
      visitor.press('Login', 'Log in', /^Welcome, dace\.$/, { User: 'dace', Password: password });
    const here = (visitor: Visitor, text: RegExp) => shows(visitor.card('Session'), text);
    const nobody = /Nobody is logged in here\. In the basket: 0\./;

    await home.press('Session', 'Put a bread in the basket', /keeps 1 in the basket/);
    await login(home);
    await home.press('Session', 'Put a bread in the basket', /keeps 2 in the basket/);
    const tab = await home.tab(() => home.page.evaluate('open(location.href)'));
    await shows(tab.locator('#session-user'), /^dace is logged in here\.$/);
    await shows(tab.locator('#basket'), /^In the basket: 2\.$/);
    await tab.close();

    await here(phone, nobody);
    await login(phone);
    const devices = home.card('Session').getByRole('listitem');
    await eventually(async () => (await devices.count()) === 2);
    await shows(devices.first(), /^Chrome \d+ at .*(127\.0\.0\.1|::1), since /);

    await home.press('Session', 'Change it, and let that fail', /^422: It failed/);
    await here(phone, /dace is logged in here/);
    await home.press('Session', 'Change the password', /^The password is changed, and 1 other sessions are ended\.$/);
    await here(phone, nobody);
    await phone.press('Login', 'Log in', /^401: Wrong password, 2 more tries\.$/, { User: 'dace' });
    await login(phone, 'wheat bread');

    await eventually(async () => (await devices.count()) === 2);
    await devices.first().getByRole('button').click();
    await here(phone, nobody);
    await login(phone, 'wheat bread');
    await home.press('Session', 'Log out everywhere', /^2 sessions are ended, this one too\.$/);
    for (const visitor of [home, phone]) await here(visitor, nobody);
    await home.press('Session', 'Log out everywhere', /^401: Nobody is logged in\.$/);
    await login(phone, 'wheat bread');
    await phone.press('Session', 'Log out', /^This session is over\.$/);
    await here(phone, nobody);
    expect([...phone.problems].toSorted()).toEqual(['401 POST /api/login']);
    await phone.context.close();
  });

  /** Which of two processes comes first is chance, so the one that the page asks has a pause. */
  const theOtherCounts = async (second: string): Promise<void> => {
    await using persist = openPersistPg({ url: database.url });
    const holder = async (): Promise<string | undefined> => (await persist.locks.list('stocktaking'))[0]?.description;
    await eventually(async () => (await holder()) === undefined, patiently);
    process.kill(shop.pid, 'SIGSTOP');
    try {
      await eventually(async () => (await holder()) === second, patiently);
      await eventually(async () => (await holder()) === undefined, patiently);
    } finally {
      process.kill(shop.pid, 'SIGCONT');
    }
  };

  it('counts the stock in one of two processes at a time', { timeout: 60_000 }, async () => {
    const card = home.card('Stocktaking');
    await shows(card, new RegExp(`Running: process ${shop.pid}\\.`));
    await home.press('Stocktaking', 'Start a second process', /^A second process/);
    const running = await shows(card, new RegExp(`Running: process ${shop.pid} and process \\d+\\.`));
    const second = /and (process \d+)/.exec(running)![1]!;
    await shows(card, /The lock is held by process \d+/);
    await home.press(
      'Stocktaking',
      'Five count by hand at once',
      /^[01] of 5 counted; .*[45] × 409: the lock "stocktaking" is held by another/,
    );
    await theOtherCounts(second);
    await shows(card, new RegExp(`\\d+ pieces, counted by ${second} under token \\d+`), patiently);
    await home.press('Stocktaking', 'Stop it', /^The second process has ended/);
    await shows(card, new RegExp(`Running: process ${shop.pid}\\.`));
    // It has found the prices as they were.
    await shows(home.card('Products'), /Amber pendant\s+49\.10 €/);
  });

  it('keeps tenants apart', async () => {
    const [riga, tallinn] = [home.page.locator('#riga'), home.page.locator('#tallinn')];
    for (const tenant of [riga, tallinn]) {
      await tenant.getByRole('textbox').fill(`of ${await tenant.getAttribute('id')}`);
      await tenant.getByRole('button', { name: 'Add' }).click();
      await shows(tenant.getByRole('list'), /^of \w+$/);
    }
    await home.press('Tenants', 'Clear riga', /^1 removed from riga/);
    await eventually(async () => (await riga.getByRole('listitem').count()) === 0);
    await shows(tallinn.getByRole('list'), /^of tallinn$/);
  });

  it('shows health and figures that live', async () => {
    const card = home.card('Operations');
    const figure = async (name: string) => Number(await card.locator('div', { hasText: name }).getByRole('definition').innerText());
    await shows(card, /Health at \/health\s+up, \d+ ms/);
    const [operations, refused] = [await figure('Operations answered'), await figure('Hits refused')];
    expect(refused).toBeGreaterThanOrEqual(8);
    await home.press('Products', '20 visitors open Linen towel', /^20 visitors/);
    await eventually(async () => (await figure('Operations answered')) >= operations + 20);
    await shows(card, /Cache hits\s+\d+ % of \d+/);
  });

  it('forgets the share link when its time is over', { timeout: 30_000 }, async () => {
    const url = new URL(link, shop.url).href;
    await eventually(async () => (await home.context.request.get(url, { maxRedirects: 0 })).status() === 404, patiently);
    await home.press('Products', 'Restock Linen towel', /in stock again/);
    await eventually(async () => (await home.card('Share links').getByRole('link', { name: link }).count()) === 0);
  });

  it('can be used by the keyboard alone', async () => {
    const { page } = home;
    const names = `[...document.querySelectorAll('a, button, input, select')].map((each) => each.id || each.ariaLabel || each.textContent || each.name)`;
    const all: string[] = await page.evaluate(names);
    const reached: string[] = [];
    await page.locator('h1').click();
    for (let i = 0; i < all.length; i++) {
      await page.keyboard.press('Tab');
      reached.push(await page.evaluate(`((each) => each.id || each.ariaLabel || each.textContent || each.name)(document.activeElement)`));
    }
    expect(reached).toEqual(all);
    await page.getByRole('button', { name: 'Get the price list' }).focus();
    await page.keyboard.press('Enter');
    await shows(home.card('Cache').locator('.said'), /^(HIT|MISS) in/);
  });

  it('fits a narrow screen', async () => {
    await home.page.setViewportSize({ width: 400, height: 800 });
    expect(await home.page.evaluate('document.documentElement.scrollWidth')).toBe(400);
    await home.page.setViewportSize({ width: 1240, height: 900 });
  });

  it('has had no errors but what it was told', async () => {
    expect([...home.problems].toSorted()).toEqual([
      '401 DELETE /api/session/everywhere',
      '401 POST /api/login',
      '409 POST /api/accounts',
      '409 POST /api/orders',
      '409 POST /api/stocktaking',
      '422 POST /api/orders',
      '422 POST /api/session/password',
      '429 POST /api/login',
    ]);
  });

  if (process.env['MODE'] === 'screenshot') it('is drawn', () => screenshot(home, join(__dirname, '../../sample/page.webp')));
});
