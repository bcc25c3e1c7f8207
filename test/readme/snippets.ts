import { execFile, fork } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Block, blocks, codes, headings, table } from './readme';

const compilerOptions = {
  target: 'ES2022',
  module: 'nodenext',
  lib: ['ES2023', 'ESNext.Disposable'],
  types: ['node'],
  rootDir: '.',
  outDir: 'out',
  strict: true,
  isolatedModules: true,
  experimentalDecorators: true,
  emitDecoratorMetadata: true,
  skipLibCheck: true,
  inlineSourceMap: true,
  noEmitOnError: false,
};

export function nameOf({ line }: Block): string {
  return `line_${line}`;
}

/** An app that has installed the built package in `installed`, with every snippet as a module; gives its folder. */
export function writeSnippets(installed: string): string {
  const folder = join(installed, 'readme');
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  symlinkSync(installed, join(folder, 'node_modules/nestjs-persistpg'), 'junction');
  for (const file of ['prelude.d.ts', 'runner.mjs']) cpSync(join(__dirname, file), join(folder, file));
  const write = (file: string, text: string): void => writeFileSync(join(folder, file), text);
  write('package.json', JSON.stringify({ type: 'module' }));
  write('tsconfig.json', JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  write('app.module.ts', 'export class AppModule {}\n');
  for (const block of blocks()) write(`${nameOf(block)}.ts`, moduleOf(block));
  write('tables.ts', tablesModule());
  return folder;
}

/** Compiles them; gives what tsc has to say, with the lines of the README. */
export async function compile(folder: string): Promise<string> {
  const tsc = join(__dirname, '../../node_modules/typescript/bin/tsc');
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [tsc, '-p', folder, '--pretty', 'false']);
    return stdout;
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}

/** Runs the blocks that are to be run; gives the problems by name, and `undefined` where there was none. */
export async function run(
  folder: string,
  databaseUrl: string,
): Promise<{ code: number | null; problems: Map<string, string | undefined> }> {
  const problems = new Map<string, string | undefined>();
  const names = blocks()
    .filter(({ runs }) => runs)
    .map(nameOf);
  const env = { ...process.env, DATABASE_URL: databaseUrl };
  const child = fork(join(folder, 'runner.mjs'), names, { cwd: folder, env, silent: true, execArgv: ['--enable-source-maps'] });
  child.on('message', ({ snippet, problem }: { snippet: string; problem?: string }) => problems.set(snippet, problem));
  let said = '';
  child.stderr?.on('data', (data) => (said += data));
  // A snippet that failed half-way has left its app open.
  child.once('disconnect', () => setTimeout(() => child.kill(), 20_000).unref());
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  for (const name of names) if (!problems.has(name)) problems.set(name, `was not reached: ${said}`);
  return { code, problems };
}

// At its place in the README, so that messages tell its lines.
function moduleOf({ line, code, runs }: Block): string {
  const text = runs ? code.split('\n').map(checked).join('\n') : code;
  return `${'\n'.repeat(line - 1)}${text}\nexport {};\n`;
}

function checked(line: string): string {
  const made = line
    .replace(/^(\s*(?:const \w+ = )?)([^\s].*); \/\/ => (.+)$/, '$1check($2, $3);')
    .replace(/^(\s*)await (.+); \/\/ throws (\w+)$/, `$1await checkThrows(() => $2, '$3');`)
    .replace('PersistPgModule.forRoot()', 'PersistPgModule.forRoot(patient)');
  if (/\/\/ (=>|throws)/.test(made)) throw new Error(`README.md says what cannot be checked: ${line}`);
  return made;
}

const inTables = [
  'By',
  'createPersistPg',
  'createPersistPgMigration',
  'DatabaseError',
  'InvalidArgumentError',
  'InvalidValueError',
  'isNotFound',
  'isPersistPgError',
  'isRetryable',
  'KeyNotFoundError',
  'LockLostError',
  'LockTimeoutError',
  'NotANumberError',
  'PersistPgModule',
  'RateLimitExceededError',
  'SessionGoneError',
  'type PersistPgModuleOptions',
];

/** Every piece of our API in the last column of the tables for those who come from elsewhere, as a module. */
function tablesModule(): string {
  const sections = headings(/^## (Coming from .*)$/);
  const statements = sections.flatMap((heading) =>
    table(heading)
      .flatMap(({ cells }) => codes(cells[cells.length - 1]!).filter(isOurs))
      .map((code) => `async () => {\n  ${statement(code)}\n};\n`),
  );
  const imports = [
    `import { ${inTables.join(', ')} } from 'nestjs-persistpg';`,
    `import { PersistPgSessionStore } from 'nestjs-persistpg/session/express';`,
    `import { createMemoryPersistPg } from 'nestjs-persistpg/testing';`,
  ];
  return `${imports.join('\n')}\n${statements.join('')}`;
}

// The rest are names of other things: files, commands, SQL, options by their path.
function isOurs(code: string): boolean {
  return /^(\(?await |[{]|new Persist|\w+Error$)|^\w[\w.]*(<\w+>)?\(/.test(code) && !/^(alter|truncate|npm)\b/.test(code);
}

function statement(code: string): string {
  if (code.startsWith('{')) return `(${code}) satisfies PersistPgModuleOptions;`;
  return code.startsWith('await using') ? `${code};` : `(${code});`;
}
