import { expect, it } from 'vitest';
import { childProcesses } from '../support/child';
import { testDatabase } from '../support/database';

const { url, schema } = testDatabase();
const run = childProcesses();

it('an app that imports everything works, closes, and leaves nothing that keeps its process alive', async () => {
  const child = run(
    `const { run } = require('./test/module/whole-app.cjs');
    let expired;
    const cart = new Promise((resolve) => (expired = resolve));
    const app = await run(library, { url: ${JSON.stringify(url)}, schema: ${JSON.stringify(schema)}, expired });
    console.log('answers ' + JSON.stringify(app.answers));
    console.log('expired ' + (await cart));
    await app.close();
    console.log('closed ' + process.uptime() * 1000);`,
    { NODE_ENV: 'production' },
  );
  const said = JSON.parse((await child.said('answers ')).slice('answers '.length));
  expect(said).toMatchObject({
    visits: { status: 200, body: { visits: 1 } },
    job: { status: 200, body: ['held until the end', 'job'] },
    health: { status: 200, body: { status: 'ok' } },
  });
  expect(await child.said('expired ')).toBe('expired cart');
  const closed = Number((await child.said('closed ')).slice('closed '.length));
  const { code, signal, stderr, ms } = await child.ended;
  // What cron says on a busy machine is not about us.
  const complaints = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('[Cron] Missed execution deadline'));
  expect({ code, signal, complaints }).toEqual({ code: 0, signal: null, complaints: [] });
  expect(ms - closed).toBeLessThan(3_000);
}, 60_000);
