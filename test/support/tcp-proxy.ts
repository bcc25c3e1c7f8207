import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Stands between the library and PostgreSQL and makes bad weather. */
export class TcpProxy implements AsyncDisposable {
  private server: Server | undefined;
  private port = 0;
  private readonly pairs = new Map<Socket, Socket>();
  private silent: 'both' | 'answers' | undefined;

  constructor(private readonly target: URL) {}

  /** The target's URL, by way of this proxy. */
  get url(): string {
    const url = new URL(this.target);
    url.hostname = '127.0.0.1';
    url.port = String(this.port);
    return url.href;
  }

  /** How many connections are open. */
  get connections(): number {
    return this.pairs.size;
  }

  /** Accepts connections, again on the same port after `stop()`. */
  async start(): Promise<this> {
    const server = createServer((client) => this.join(client));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
    return this;
  }

  /** Forwards nothing any more while every connection looks open; with `'answers'` what clients send still arrives. */
  pause(what: 'both' | 'answers' = 'both'): void {
    this.silent = what;
    for (const [client, upstream] of this.pairs) this.apply(client, upstream);
  }

  /** Forwards what was held back, and everything from now on. */
  resume(): void {
    this.silent = undefined;
    for (const [client, upstream] of this.pairs) this.apply(client, upstream);
  }

  /** Breaks every open connection; new ones are welcome. */
  cut(): void {
    for (const [client, upstream] of this.pairs) {
      client.resetAndDestroy();
      upstream.resetAndDestroy();
    }
  }

  /** Breaks every connection and refuses new ones. */
  async stop(): Promise<void> {
    const server = this.server;
    this.server = undefined;
    this.cut();
    if (server !== undefined) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  private join(client: Socket): void {
    const upstream = connect({ host: this.target.hostname, port: Number(this.target.port || 5432), noDelay: true });
    client.setNoDelay(true);
    this.pairs.set(client, upstream);
    client.on('data', (data) => upstream.write(data));
    upstream.on('data', (data) => client.write(data));
    const leave = (other: Socket) => () => {
      this.pairs.delete(client);
      other.destroy();
    };
    client.on('error', () => {}).on('close', leave(upstream));
    upstream.on('error', () => {}).on('close', leave(client));
    this.apply(client, upstream);
  }

  private apply(client: Socket, upstream: Socket): void {
    if (this.silent === 'both') client.pause();
    else client.resume();
    if (this.silent === undefined) upstream.resume();
    else upstream.pause();
  }
}

/** A proxy before the PostgreSQL of `url`: `await using proxy = await tcpProxy(url)`. */
export function tcpProxy(url: string): Promise<TcpProxy> {
  return new TcpProxy(new URL(url)).start();
}
