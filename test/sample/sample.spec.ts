import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/database';
import { tcpProxy } from '../support/tcp-proxy';
import { checkout } from './checkout';
import { ask, ownDatabase } from './own-database';
import { Shop } from './shop';

const database = ownDatabase('shop');
const folder = checkout('sample');
let shop: Shop;

beforeAll(async () => {
  shop = await Shop.open(folder, database.url);
});

afterAll(async () => {
  await shop?.close();
});

const product = async (slug: string) => {
  const { json } = await shop.get('/api/products');
  return json.find((one: { slug: string }) => one.slug === slug);
};

it('serves the page and all that it asks for', async () => {
  const page = await shop.get('/');
  expect(page.status).toBe(200);
  expect(page.text).toContain('<h1>A small shop</h1>');
  const files = [...page.text.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, file]) => file!);
  expect(files.length).toBeGreaterThan(3);
  for (const file of files) expect(await shop.get(file)).toMatchObject({ status: 200 });
  expect(page.text).not.toMatch(/(src|href)="(https?:)?\/\//);
});

it('counts the views of a product, exactly also when many come at once', async () => {
  const page = await shop.get('/products/rye-bread');
  expect(page.text).toContain('<h1>Rye bread</h1>');
  expect(page.text).toContain('<output id="views">1</output>');
  await Promise.all(Array.from({ length: 30 }, () => shop.get('/products/rye-bread')));
  expect((await product('rye-bread')).views).toBe(31);
  expect((await product('linen-towel')).views).toBe(0);
  expect((await shop.get('/products/caviar')).status).toBe(404);
});

describe('a share link', () => {
  it('leads to the product and counts who followed it', async () => {
    const made = await shop.post('/api/links', { slug: 'linen-towel' });
    expect(made.status).toBe(201);
    const { id, path } = made.json;
    for (let i = 0; i < 2; i++) {
      const followed = await shop.get(path);
      expect(followed.status).toBe(302);
      expect(followed.location).toBe('/products/linen-towel');
    }
    const { json } = await shop.get('/api/links');
    expect(json).toContainEqual({ id, slug: 'linen-towel', visits: 2, expiresAt: expect.any(String) });
  });

  it('is gone when its time is over', async () => {
    const { json } = await shop.post('/api/links', { slug: 'linen-towel', ttl: '1s' });
    expect((await shop.get(json.path)).status).toBe(302);
    await eventually(async () => (await shop.get(json.path)).status === 404);
    const { json: left } = await shop.get('/api/links');
    expect(left.map(({ id }: { id: string }) => id)).not.toContain(json.id);
  });

  it('that nobody made is a 404, and a time without a unit a 400', async () => {
    expect((await shop.get('/s/nothing')).status).toBe(404);
    const refused = await shop.post('/api/links', { slug: 'linen-towel', ttl: '60' });
    expect(refused.status).toBe(400);
    expect(refused.json.message).toContain('60 of what?');
  });
});

it('keeps tenants apart', async () => {
  const write = (tenant: string, name: string, text: string) => shop.request('PUT', `/api/tenants/${tenant}/notes/${name}`, { text });
  expect((await write('riga', 'a', 'of Riga')).status).toBe(204);
  expect((await write('tallinn', 'a', 'of Tallinn')).status).toBe(204);
  expect((await write('tallinn', 'b', '100 %')).status).toBe(204);
  expect((await shop.get('/api/tenants')).json).toEqual(['riga', 'tallinn']);
  expect((await shop.get('/api/tenants/riga/notes')).json).toEqual({ a: 'of Riga' });

  expect((await shop.request('DELETE', '/api/tenants/riga/notes')).json).toEqual({ removed: 1 });
  expect((await shop.get('/api/tenants/riga/notes')).json).toEqual({});
  expect((await shop.get('/api/tenants/tallinn/notes')).json).toEqual({ a: 'of Tallinn', b: '100 %' });
  expect((await shop.get('/api/tenants/riga:x/notes')).status).toBe(400);
});

describe('an order', () => {
  const place = (wish: object) => shop.post('/api/orders', { slug: 'wool-mittens', quantity: 1, ...wish });

  it('commits with its receipt and its stock', async () => {
    const { stock } = await product('wool-mittens');
    const placed = await place({ quantity: 2 });
    expect(placed.status).toBe(201);
    expect(placed.json.receipt).toEqual({ total: 5800, left: stock - 2 });
    const { json } = await shop.get('/api/orders');
    expect(json.latest[0]).toMatchObject({ id: placed.json.id, receipt: placed.json.receipt });
    expect((await product('wool-mittens')).stock).toBe(stock - 2);
  });

  it('that fails takes its receipt and its stock with it', async () => {
    const before = [(await shop.get('/api/orders')).json, await product('wool-mittens')];
    const failed = await place({ fail: true });
    expect(failed.status).toBe(422);
    expect([(await shop.get('/api/orders')).json, await product('wool-mittens')]).toEqual(before);
  });

  it('never sells what is not there, with 20 customers at once', async () => {
    const { stock } = await product('amber-pendant');
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => place({ slug: 'amber-pendant' })));
    const statuses = outcomes.map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(stock);
    expect(statuses.filter((status) => status === 409)).toHaveLength(20 - stock);
    expect((await product('amber-pendant')).stock).toBe(0);
    const { counts } = (await shop.get('/api/orders')).json;
    expect(counts.orders).toBe(counts.receipts);
    expect((await shop.post('/api/products/amber-pendant/restock')).status).toBe(204);
    expect((await product('amber-pendant')).stock).toBe(stock);
  });
});

describe('a login', () => {
  const login = (user: string, password: string) => shop.post('/api/login', { user, password });

  it('lets the right password in, as often as one likes', async () => {
    for (let i = 0; i < 5; i++) expect(await login('anna', 'rye bread')).toMatchObject({ status: 200, json: { user: 'anna' } });
  });

  it('has three tries, also for many guesses at once, and then refuses the right password too', async () => {
    const guesses = await Promise.all(Array.from({ length: 10 }, (_, i) => login('berta', `guess ${i}`)));
    expect(guesses.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([401, 401, 401, 429, 429, 429, 429, 429, 429, 429]);
    const messages = guesses.filter(({ status }) => status === 401).map(({ json }) => json.message);
    expect(messages.map(String).toSorted()).toEqual([0, 1, 2].map((left) => `Wrong password, ${left} more tries.`));
    const refused = await login('berta', 'rye bread');
    expect(refused).toMatchObject({
      status: 429,
      json: { message: expect.stringMatching(/^rate limit exceeded, try again in (29|30) s$/) },
    });
    expect((await shop.get('/api/login/berta/tries')).json).toMatchObject({ allowed: false, limit: 3, remaining: 0 });
    expect((await login('carl', 'rye bread')).status).toBe(200);
    expect((await shop.get('/api/login/carl/tries')).json).toMatchObject({ allowed: true, limit: 3, remaining: 3 });
  });
});

describe('two browsers', () => {
  const browser = () => {
    let cookie: string | undefined;
    return async (method: string, path: string, body?: unknown) => {
      const answer = await shop.request(method, `/api/${path}`, body, cookie);
      cookie = answer.cookie ?? cookie;
      return answer;
    };
  };
  type Browser = ReturnType<typeof browser>;
  const login = async (each: Browser, user: string, password = 'rye bread') =>
    expect(await each('POST', 'login', { user, password })).toMatchObject({ status: 200, json: { user } });
  const open = async (user: string, password?: string) => {
    const browsers = [browser(), browser()] as const;
    for (const each of browsers) await login(each, user, password);
    return browsers;
  };
  const nobody = { basket: 0, devices: [] };

  it('of one user have a session each', async () => {
    const [home, phone] = await open('dace');
    const { json } = await home('GET', 'session');
    expect(json).toMatchObject({
      user: 'dace',
      devices: [{ userId: 'dace', ip: expect.stringMatching(/127\.0\.0\.1|::1/) }, { userId: 'dace' }],
    });
    expect((await phone('DELETE', 'session')).status).toBe(204);
    expect((await phone('GET', 'session')).json).toEqual(nobody);
    expect((await home('GET', 'session')).json.devices).toHaveLength(1);
    expect(await phone('POST', 'session/password', { password: 'wheat bread' })).toMatchObject({ status: 401 });
  });

  it('keep a basket each, through the login', async () => {
    const [home, phone] = [browser(), browser()];
    for (const basket of [1, 2]) expect((await home('POST', 'session/basket')).json).toEqual({ basket });
    await login(home, 'gunta');
    expect((await home('GET', 'session')).json).toMatchObject({ user: 'gunta', basket: 2 });
    expect((await phone('GET', 'session')).json).toEqual(nobody);
  });

  it('end each other, and themselves, but nobody else', async () => {
    const [home, phone] = await open('hugo');
    const [ilze] = await open('ilze');
    const idOf = async (each: Browser): Promise<string> => (await each('GET', 'session')).json.devices[0].id;
    expect((await home('DELETE', `session/devices/${await idOf(ilze)}`)).status).toBe(404);
    expect((await home('DELETE', `session/devices/${await idOf(home)}`)).status).toBe(204);
    // The latest login was the phone's.
    expect((await phone('GET', 'session')).json).toEqual(nobody);
    await login(phone, 'hugo');
    expect((await home('DELETE', 'session/everywhere')).json).toEqual({ ended: 2 });
    for (const each of [home, phone]) expect((await each('GET', 'session')).json).toEqual(nobody);
    expect((await ilze('GET', 'session')).json.devices).toHaveLength(2);
  });

  it('are logged out with the password that one of them changes, but for that one', async () => {
    const [home, phone] = await open('elza');
    expect(await home('POST', 'session/password', { password: 'wheat bread' })).toMatchObject({ status: 200, json: { ended: 1 } });
    expect((await phone('GET', 'session')).json).toEqual(nobody);
    expect((await home('GET', 'session')).json).toMatchObject({ user: 'elza', devices: [{}] });
    expect((await phone('POST', 'login', { user: 'elza', password: 'rye bread' })).status).toBe(401);
    await open('elza', 'wheat bread');
  });

  it('stay logged in with the old password where the change fails', async () => {
    const [home, phone] = await open('fricis');
    expect((await home('POST', 'session/password', { password: 'wheat bread', fail: true })).status).toBe(422);
    expect((await phone('GET', 'session')).json).toMatchObject({ user: 'fricis', devices: [{}, {}] });
    await open('fricis');
  });
});

describe('the price list', () => {
  it('is made once and kept, until a price changes', async () => {
    const list = async () => {
      const { cache, json } = await shop.get('/api/prices');
      return { cache, ...json };
    };
    const made = await list();
    expect(made.cache).toBe('MISS');
    // The answer goes out before it is kept.
    const kept = await eventually(async () => {
      const found = await list();
      return found.cache === 'HIT' && found;
    });
    expect(kept.prices).toEqual(made.prices);

    const bread = kept.prices.find(({ slug }: { slug: string }) => slug === 'rye-bread');
    expect((await shop.post('/api/prices/rye-bread/raise')).status).toBe(204);
    const raised = await list();
    expect(raised.cache).toBe('MISS');
    expect(raised.prices).toContainEqual({ ...bread, cents: bread.cents + 10 });
    expect((await shop.post('/api/prices/caviar/raise')).status).toBe(404);
  });

  it('and the bestsellers are worked out once for many who ask at once', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => shop.get('/api/bestsellers')));
    expect(new Set(answers.map(({ json }) => json.madeAt)).size).toBe(1);
    expect(answers[0]!.json.slugs).toEqual(expect.arrayContaining(['amber-pendant', 'wool-mittens']));
  });
});

it('counts the stock once a tick with two processes, whichever of them is there', { timeout: 90_000 }, async () => {
  const other = await Shop.open(folder, database.url);
  interface Count {
    tick: string;
    pieces: number;
    by: string;
    token: number;
  }
  const latest = async (): Promise<Count[]> => (await other.get('/api/stocktaking')).json.latest;
  const patiently = { deadline: 30_000 };
  await eventually(async () => /^process \d+$/.test((await other.get('/api/stocktaking')).json.holder), patiently);
  const counts = await eventually(async () => {
    const found = await latest();
    return found.length >= 3 && found;
  }, patiently);
  expect(new Set(counts.map(({ tick }) => tick)).size).toBe(counts.length);
  expect(counts.map(({ token }) => token)).toEqual(counts.map(({ token }) => token).toSorted((a, b) => b - a));
  const { json: products } = await shop.get('/api/products');
  expect(counts[0]!.pieces).toBe(products.reduce((sum: number, { stock }: { stock: number }) => sum + stock, 0));

  process.kill(shop.pid, 'SIGSTOP');
  try {
    const [before] = await latest();
    await eventually(async () => (await latest()).some(({ by, tick }) => by === `process ${other.pid}` && tick > before!.tick), patiently);
  } finally {
    process.kill(shop.pid, 'SIGCONT');
  }
  const [last, ...former] = await latest();
  expect(former.map(({ tick }) => tick)).not.toContain(last!.tick);
  expect(await other.close()).toEqual({ code: 0, signal: null });
  await eventually(async () => {
    const { json } = await shop.get('/api/stocktaking');
    return json.latest.some(({ by, tick }: Count) => by === `process ${shop.pid}` && tick > last!.tick);
  }, patiently);
});

it(
  'starts a second process that counts too, stops it, and refuses to count by hand while somebody counts',
  { timeout: 60_000 },
  async () => {
    const show = async () => (await shop.get('/api/stocktaking')).json;
    expect(await show()).toMatchObject({ here: `process ${shop.pid}` });
    expect((await shop.post('/api/stocktaking/second')).status).toBe(204);
    const second = await eventually(async () => (await show()).second as string | undefined);
    expect(second).not.toBe(`process ${shop.pid}`);
    const isThere = () => process.kill(Number(second.slice('process '.length)), 0);
    expect(isThere()).toBe(true);
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => shop.post('/api/stocktaking')));
    const statuses = outcomes.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200).length).toBeLessThanOrEqual(1);
    expect(statuses.filter((status) => status === 409).length).toBeGreaterThanOrEqual(4);
    expect(outcomes.find(({ status }) => status === 409)!.json.message).toBe('the lock "stocktaking" is held by another');

    expect((await shop.request('DELETE', '/api/stocktaking/second')).status).toBe(204);
    expect((await show()).second).toBeUndefined();
    expect(isThere).toThrow('ESRCH');
  },
);

describe('signing up', () => {
  const signUp = (username: string, email: string) => shop.post('/api/accounts', { username, email });
  const accounts = async (): Promise<{ id: string; username: string; email: string }[]> => (await shop.get('/api/accounts')).json;

  it('takes both names or none, and says which is taken', async () => {
    const { status, json: anna } = await signUp('Anna', 'anna@example.lv');
    expect(status).toBe(201);
    expect(await signUp('ANNA ', 'other@example.lv')).toMatchObject({ status: 409, json: { message: 'username is taken' } });
    expect(await signUp('Bruno', ' Anna@Example.LV')).toMatchObject({ status: 409, json: { message: 'email is taken' } });
    expect(await signUp('anna', 'anna@example.lv')).toMatchObject({ status: 409, json: { message: 'username and email are taken' } });
    expect(await accounts()).toEqual([anna]);
    // What was refused has left nothing behind.
    expect((await signUp('Bruno', 'other@example.lv')).status).toBe(201);
  });

  it('refuses empty names and look-alikes', async () => {
    expect((await signUp('', 'clara@example.lv')).status).toBe(400);
    const lookAlike = await signUp('Аnna', 'clara@example.lv');
    expect(lookAlike.status).toBe(400);
    expect(lookAlike.json.message).toContain('username');
  });

  it('gives one of ten who come at once the name, and frees it when the account goes', async () => {
    const outcomes = await Promise.all(Array.from({ length: 10 }, (_, i) => signUp('wanted', `wanted${i}@example.lv`)));
    expect(outcomes.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, ...Array.from({ length: 9 }, () => 409)]);
    const [first, ...rest] = (await accounts()).filter(({ username }) => username === 'wanted');
    expect(rest).toEqual([]);
    expect((await shop.request('DELETE', `/api/accounts/${first!.id}`)).status).toBe(204);
    expect((await shop.request('DELETE', `/api/accounts/${first!.id}`)).status).toBe(404);
    expect((await signUp('Wanted', first!.email)).status).toBe(201);
  });
});

it('serves metrics as Prometheus reads them', async () => {
  await shop.get('/products/rye-bread');
  const { status, text } = await shop.get('/metrics');
  expect(status).toBe(200);
  expect(Number(/^persistpg_operations_total\{kind="incr",outcome="ok"\} (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(0);
  expect(text).toMatch(/^persistpg_statement_ms_bucket\{le="5",kind="incr"\} \d+$/m);
  expect(text).toContain('# TYPE persistpg_queued gauge');
});

it('ends by itself on SIGTERM, and leaves nothing connected', async () => {
  expect(await shop.close()).toEqual({ code: 0, signal: null });
  await eventually(async () => (await ask('select from pg_stat_activity where datname = $1', [database.name])).length === 0);
  expect(shop.output).toMatch(/^The shop is open at .*\n$/);
});

it('without DATABASE_URL has a PostgreSQL of its own, which keeps the data', { timeout: 60_000 }, async () => {
  for (const views of [1, 2]) {
    const own = await Shop.open(folder, undefined);
    expect((await own.get('/products/rye-bread')).text).toContain(`<output id="views">${views}</output>`);
    expect(await own.close(views === 1 ? 'SIGTERM' : 'SIGINT')).toEqual({ code: 0, signal: null });
  }
});

it('serves health: up, down within its timeout while the database is away, and up again', { timeout: 60_000 }, async () => {
  await using proxy = await tcpProxy(database.url);
  const other = await Shop.open(folder, proxy.url);
  try {
    const { status, json } = await other.get('/health');
    expect(status).toBe(200);
    expect(json).toMatchObject({
      status: 'ok',
      details: { persistpg: { status: 'up', lanes: { total: 3 }, tableBytes: { kv: expect.any(Number) } } },
    });
    await proxy.stop();
    const since = performance.now();
    expect(await other.get('/health')).toMatchObject({ status: 503, json: { status: 'error', error: { persistpg: { status: 'down' } } } });
    expect(performance.now() - since).toBeLessThan(5_000);
    await proxy.start();
    await eventually(async () => (await other.get('/health')).status === 200, { deadline: 30_000 });
  } finally {
    await other.close();
  }
});
