import { beforeAll, expect, it } from 'vitest';
import { checkout } from '../sample/checkout';
import { ownDatabase } from '../sample/own-database';
import { blocks } from './readme';
import { compile, nameOf, run, writeSnippets } from './snippets';

const database = ownDatabase('readme');
const installed = checkout('readme');
let complaints: string;
let outcome: Awaited<ReturnType<typeof run>>;

beforeAll(async () => {
  const app = writeSnippets(installed);
  complaints = await compile(app);
  outcome = await run(app, database.url);
}, 120_000);

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
