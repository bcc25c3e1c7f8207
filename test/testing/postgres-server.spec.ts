import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { startEmbedded, testSettings } from '../../lib/testing/embedded-postgres';
import { ownPostgres } from '../support/database';

async function ask(url: string, text: string): Promise<unknown> {
  const client = new Client(url);
  client.on('error', () => {});
  await client.connect();
  try {
    return ((await client.query({ text, rowMode: 'array' })).rows as unknown[][])[0]?.[0];
  } finally {
    await client.end();
  }
}

describe('a PostgreSQL of our own', { timeout: 60_000 }, () => {
  it('comes back on the same port with its data after a crash, and after a restart', async () => {
    await using server = await ownPostgres();
    await ask(server.url, 'create table survivors (name text)');
    await ask(server.url, `insert into survivors values ('durable')`);
    const held = new Client(server.url);
    const lost = new Promise((resolve) => held.on('error', resolve));
    await held.connect();

    await server.kill();
    await lost;
    await expect(ask(server.url, 'select 1')).rejects.toThrow('ECONNREFUSED');
    await server.restart();
    expect(await ask(server.url, 'select name from survivors')).toBe('durable');
    expect(server.log()).toContain('was interrupted');

    await server.restart();
    expect(await ask(server.url, 'select name from survivors')).toBe('durable');
    expect(server.log()).not.toContain('was interrupted');
  });

  it('removes its data at stop(), also when it is down at that time', async () => {
    const server = await ownPostgres();
    await server.kill();
    expect(existsSync(server.dataDir)).toBe(true);
    await server.stop();
    expect(existsSync(server.dataDir)).toBe(false);
  });

  it('keeps the data of a folder that it is given, and is durable there', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kept-'));
    const dataDir = join(folder, 'data');
    const first = await startEmbedded({ dataDir });
    expect(await ask(first.url, `select current_setting('fsync')`)).toBe('on');
    await ask(first.url, 'create table kept as select 7 as n');
    await first.stop();
    await using second = await startEmbedded({ dataDir, settings: { work_mem: '7MB' } });
    expect(await ask(second.url, 'select n from kept')).toBe(7);
    expect(await ask(second.url, `select current_setting('work_mem')`)).toBe('7MB');
    await second.stop();
    rmSync(second.dataDir, { recursive: true });
    rmSync(folder, { recursive: true, force: true });
  });

  it('says what the server said when it cannot start', async () => {
    await expect(ownPostgres({ shared_buffers: 'plenty' })).rejects.toThrow(/invalid value for parameter "shared_buffers": "plenty"/);
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    await expect(startEmbedded({ port, settings: testSettings })).rejects.toThrow(/could not bind.*Address already in use/s);
    taken.close();
  });
});
