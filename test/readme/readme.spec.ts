import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { blocks } from './readme';
import { compile, nameOf, run, writeSnippets } from './snippets';

const database = `readme_${randomBytes(4).toString('hex')}`;
let complaints: string;
let outcome: Awaited<ReturnType<typeof run>>;

async function admin(text: string): Promise<void> {
  const client = new Client(inject('pgUrl'));
  await client.connect();
  await client.query(text);
  await client.end();
}

beforeAll(async () => {
  const folder = await writeSnippets();
  complaints = await compile(folder);
  await admin(`create database ${database}`);
  const url = new URL(inject('pgUrl'));
  url.pathname = `/${database}`;
  outcome = await run(folder, url.href);
});

afterAll(() => admin(`drop database if exists ${database} with (force)`));

it('every snippet compiles, and every call in the tables', () => {
  expect(complaints).toBe('');
});

const running = blocks().filter(({ runs }) => runs);

it.each(running)('the snippet at line $line does what it says', (block) => {
  expect(outcome.problems.get(nameOf(block))).toBeUndefined();
});

it('the process that ran them has ended by itself', () => {
  expect(outcome.code).toBe(0);
});
