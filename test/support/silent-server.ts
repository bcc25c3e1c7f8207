import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Lets everyone in as PostgreSQL does, or as a pooler whose PostgreSQL is gone, and then answers nothing. */
export class SilentServer implements AsyncDisposable {
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {
    server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('error', () => {}).on('close', () => this.sockets.delete(socket));
      socket.once('data', () => {
        const authenticated = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0]);
        const key = Buffer.from([0x4b, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 1]);
        const ready = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);
        socket.write(Buffer.concat([authenticated, key, ready]));
      });
    });
  }

  static start(): Promise<SilentServer> {
    const server = createServer();
    return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(new SilentServer(server))));
  }

  get url(): string {
    return `postgres://postgres@127.0.0.1:${(this.server.address() as AddressInfo).port}/postgres`;
  }

  /** How many connections are open. */
  get connections(): number {
    return this.sockets.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}
