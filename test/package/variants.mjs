// Starts a built variant of the sample (a folder of sample/ with a package.json) as its README says, and uses what it shows.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** What each variant has beside what both have. */
const more = {
  nest11: async () => {},
  fastify: async ({ ask, get }) => {
    const { cookie } = await ask('POST', '/login/bruno');
    assert.equal((await get('/', cookie)).json.user, 'bruno', 'the session is kept');
    assert.deepEqual((await ask('DELETE', '/sessions/bruno')).json, { ended: 1 });
    assert.equal((await get('/', cookie)).json.user, null, 'the session is over');
    assert.equal((await get('/products')).cache, 'HIT');
  },
};

export const variants = Object.keys(more);

export async function proveVariant(name, folder, databaseUrl) {
  const child = spawn(process.execPath, ['dist/main.js'], { cwd: folder, env: { ...process.env, DATABASE_URL: databaseUrl, PORT: '0' } });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += data));
  const ended = once(child, 'exit');
  const late = setTimeout(() => child.kill('SIGKILL'), 60_000);
  try {
    await use(name, await address(child, () => said, ended));
    child.kill('SIGTERM');
    const [code, signal] = await ended;
    // Nest ends the process by the signal again, once its hooks have run.
    assert(code === 0 || signal === 'SIGTERM', `ended with ${code ?? signal}`);
  } catch (error) {
    console.error(said);
    throw error;
  } finally {
    clearTimeout(late);
    child.kill('SIGKILL');
  }
}

async function address(child, said, ended) {
  let gone = false;
  void ended.then(() => (gone = true));
  for (;;) {
    const found = /Open at (\S+)/.exec(said());
    if (found) return `http://127.0.0.1:${new URL(found[1]).port}`;
    if (gone) throw new Error('it did not start');
    await Promise.race([once(child.stdout, 'data'), ended]);
  }
}

async function use(name, url) {
  const ask = async (method, path, cookie = '') => {
    const answer = await fetch(url + path, { method, headers: { cookie } });
    const [given] = answer.headers.getSetCookie().map((line) => line.split(';')[0]);
    return { status: answer.status, cache: answer.headers.get('x-cache'), cookie: given, json: await answer.json() };
  };
  const get = (path, cookie) => ask('GET', path, cookie);
  const statuses = (answers) => answers.map(({ status }) => status).sort((a, b) => a - b);

  const visits = await Promise.all(Array.from({ length: 10 }, () => get('/')));
  assert.deepEqual(
    visits.map(({ json }) => json.visits).sort((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  );
  const reports = statuses(await Promise.all(Array.from({ length: 5 }, () => ask('POST', '/report'))));
  assert(reports[0] === 200 && reports.includes(409), `one at a time reports: ${reports}`);
  // The answer goes out before it is kept, so the first two may differ.
  const deadline = Date.now() + 5_000;
  const madeAt = async () => (await get('/products')).json.madeAt;
  while ((await madeAt()) !== (await madeAt())) assert(Date.now() < deadline, 'the products are not kept');
  const logins = await Promise.all(Array.from({ length: 2 }, () => ask('POST', '/login/anna')));
  assert.deepEqual(statuses(logins), [200, 200]);
  await more[name]({ ask, get });
  const rest = await Promise.all(Array.from({ length: 3 }, () => ask('POST', '/login/anna')));
  assert(statuses(rest).includes(429), `logins are limited: ${statuses(rest)}`);
}
