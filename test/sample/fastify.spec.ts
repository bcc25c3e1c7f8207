import { execFile } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { it } from 'vitest';
import { checkout } from './checkout';
import { ownDatabase } from './own-database';

const root = join(__dirname, '../..');
const database = ownDatabase('fastify');
const folder = checkout('fastify');

it('runs on Fastify, with sessions, cache, throttler and lock', { timeout: 60_000 }, async () => {
  const variant = join(folder, 'sample/fastify');
  mkdirSync(join(variant, 'node_modules'));
  symlinkSync(folder, join(variant, 'node_modules/nestjs-persistpg'), 'junction');
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  await promisify(execFile)(process.execPath, [tsc], { cwd: variant }).catch((error: { stdout: string }) => {
    throw new Error(error.stdout, { cause: error });
  });
  // What the matrix does with the packed library.
  const { href } = pathToFileURL(join(root, 'test/package/variants.mjs'));
  const { proveVariant } = (await import(href)) as { proveVariant(name: string, folder: string, url: string): Promise<void> };
  await proveVariant('fastify', variant, database.url);
});
