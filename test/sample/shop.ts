import { type ChildProcess, spawn } from 'node:child_process';

/** The sample app in a process of its own. */
export class Shop {
  private said = '';
  private readonly ended: Promise<{ code: number | null; signal: string | null }>;
  private address = '';

  private constructor(private readonly child: ChildProcess) {
    child.stdout?.on('data', (data) => (this.said += data));
    child.stderr?.on('data', (data) => (this.said += data));
    this.ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
  }

  /** Starts it as `npm start` does, on any free port. */
  static async open(folder: string, databaseUrl: string | undefined): Promise<Shop> {
    const { DATABASE_URL: _, ...environment } = process.env;
    const env = { ...environment, PORT: '0', ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }) };
    const shop = new Shop(spawn(process.execPath, ['.build/sample/main.js'], { cwd: folder, env }));
    await shop.ready();
    return shop;
  }

  /** All it has printed. */
  get output(): string {
    return this.said;
  }

  get url(): string {
    return this.address;
  }

  get pid(): number {
    return this.child.pid!;
  }

  async request(
    method: string,
    path: string,
    body?: unknown,
    cookie = '',
  ): Promise<{ status: number; location: string | null; cache: string | null; cookie: string | undefined; text: string; json: any }> {
    const headers = { cookie, ...(body !== undefined && { 'content-type': 'application/json' }) };
    const answer = await fetch(this.address + path, {
      method,
      redirect: 'manual',
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    const isJson = answer.headers.get('content-type')?.includes('json') === true;
    const { status } = answer;
    const [given] = answer.headers.getSetCookie().map((line) => line.split(';')[0]);
    const { headers: answered } = answer;
    const [location, cache] = [answered.get('location'), answered.get('x-cache')];
    return { status, location, cache, cookie: given, text, json: isJson ? JSON.parse(text) : undefined };
  }

  get(path: string): ReturnType<Shop['request']> {
    return this.request('GET', path);
  }

  post(path: string, body?: unknown): ReturnType<Shop['request']> {
    return this.request('POST', path, body);
  }

  /** Asks it to end, and tells how it did; it is killed if it takes too long. */
  async close(signal: 'SIGTERM' | 'SIGINT' = 'SIGTERM'): Promise<{ code: number | null; signal: string | null }> {
    this.child.kill(signal);
    const late = setTimeout(() => this.child.kill('SIGKILL'), 10_000);
    try {
      return await this.ended;
    } finally {
      clearTimeout(late);
    }
  }

  private async ready(): Promise<void> {
    let gone = false;
    void this.ended.then(() => (gone = true));
    for (;;) {
      const found = /open at (\S+)/.exec(this.said);
      if (found) {
        this.address = found[1]!;
        return;
      }
      if (gone) throw new Error(`the sample did not start: ${this.said}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
