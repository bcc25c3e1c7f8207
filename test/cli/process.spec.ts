import { expect, it } from 'vitest';
import { childProcesses } from '../support/child';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';

const { url, schema } = testDatabase();
const run = childProcesses();

function command(args: readonly string[], environment: NodeJS.ProcessEnv) {
  return run(`process.argv.splice(1, Infinity, 'nestjs-persistpg', ...${JSON.stringify(args)}); require(library + '/cli/main.js');`, {
    PERSISTPG_URL: '',
    DATABASE_URL: '',
    ...environment,
  }).ended;
}

it('a process of its own reads the environment, prints its answer alone, and ends by itself with the exit code', async () => {
  const made = await command(['migrate', '--schema', schema], { DATABASE_URL: url });
  expect(made).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^Schema \w+ was made, version \d+\.\n$/) });
  await using persist = openPersistPg({ url, schema });
  await persist.kv.set('k', 'v');
  const got = await command(['get', 'k', '--schema', schema], { PERSISTPG_URL: url, DATABASE_URL: 'postgres://127.0.0.1:1/wrong' });
  expect(got).toMatchObject({ code: 0, stdout: 'v\n', stderr: '' });
  expect(await command(['get', 'missing', '--schema', schema], { DATABASE_URL: url })).toMatchObject({ code: 1, stdout: '' });
  const nowhere = await command(['status'], {});
  expect(nowhere).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('DATABASE_URL') });
}, 60_000);

it('stops when nobody reads any more', async () => {
  await using persist = openPersistPg({ url, schema });
  const many = Object.fromEntries(
    Array.from({ length: 30_000 }, (_, i) => [`a rather long name for a key, so that a pipe fills: ${i}`, i]),
  );
  await persist.kv.mset(many);
  const child = run(
    `const pipe = '"' + process.execPath + '" "' + library + '/cli/main.js" keys --schema ${schema} | head -n 1; echo "code \${PIPESTATUS[0]}"';
    require('node:child_process').execFileSync('bash', ['-c', pipe], { stdio: 'inherit' });`,
    { DATABASE_URL: url, PERSISTPG_URL: '' },
  );
  expect(await child.ended).toMatchObject({ stdout: expect.stringMatching(/^a rather long name.*\ncode 0\n$/), stderr: '' });
}, 60_000);
