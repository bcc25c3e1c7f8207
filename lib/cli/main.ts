#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommandLine } from './command-line';

/** Of the package, in which this file is dist/cli/main.js. */
function version(): string {
  return (JSON.parse(readFileSync(join(__dirname, '../../package.json'), 'utf8')) as { version: string }).version;
}

void runCommandLine(process.argv.slice(2), version, process).then((code) => {
  process.exitCode = code;
});
