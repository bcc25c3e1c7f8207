// Runs compiled snippets one after another, each with an instance of its own, and tells the parent how each went.
import assert from 'node:assert/strict';
import 'reflect-metadata';
import { createPersistPg } from 'nestjs-persistpg';
import { DataSource } from 'typeorm';

globalThis.check = (actual, expected) => {
  assert.deepStrictEqual(actual, expected);
  return actual;
};
globalThis.checkThrows = (call, name) => assert.rejects(call, { name });

const dataSource = await new DataSource({ type: 'postgres', url: process.env.DATABASE_URL }).initialize();
await dataSource.query('create table orders (id int primary key)');

// A busy machine must not turn a hit into one that was let through uncounted, or a cached value into a miss.
globalThis.patient = { cache: { timeout: '10s' }, rateLimit: { timeout: '10s' } };

for (const snippet of process.argv.slice(2)) {
  const persist = createPersistPg({ dataSource, schema: snippet, sweeper: { autoStart: false }, ...patient });
  Object.assign(globalThis, { persist, kv: persist.kv, dataSource });
  try {
    await import(`./out/${snippet}.js`);
    process.send({ snippet });
  } catch (error) {
    process.send({ snippet, problem: error.stack });
  }
  await persist.close();
}
await dataSource.destroy();
process.disconnect();
