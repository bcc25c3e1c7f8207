import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';

const { url, schema } = testDatabase();

const ready = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

/** An error that ends the session. */
function fatal(sqlState: string, message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${sqlState}\0M${message}\0\0`);
  const head = Buffer.from([0x45, 0, 0, 0, 0]);
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

it('a server that says goodbye together with its welcome costs a connection, and not the process', async () => {
  let goesDown = false;
  let goodbyes = 0;
  const { port, hostname } = new URL(url);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    let welcomed = false;
    client.on('data', (data) => upstream.write(data));
    upstream.on('data', (data) => {
      const leaves = goesDown && !welcomed && data.includes(ready);
      welcomed ||= data.includes(ready);
      if (!leaves) return client.write(data);
      goodbyes++;
      return client.end(Buffer.concat([data, fatal('57P01', 'terminating connection due to administrator command')]));
    });
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.on('error', () => {}).on('close', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxied = new URL(url);
  proxied.hostname = '127.0.0.1';
  proxied.port = String((server.address() as AddressInfo).port);
  await using persist = openPersistPg({ url: proxied.href, schema, timeout: 2_000 });
  await persist.ready();
  goesDown = true;
  for (const socket of sockets) socket.destroy();
  const refused = { code: expect.stringMatching(/OPERATION_TIMEOUT|DATABASE/) };
  await expect(persist.kv.set('k', 1)).rejects.toMatchObject(refused);
  expect(goodbyes).toBeGreaterThan(0);
  goesDown = false;
  await expect.poll(() => persist.kv.set('k', 1).catch(() => false), { timeout: 5_000 }).toBe(true);
  await persist.close();
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});
