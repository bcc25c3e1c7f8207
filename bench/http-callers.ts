import { connect, type Socket } from 'node:net';

/** Callers of one HTTP server over connections that stay open, one for each that is under way; as little work as can be, because the server's process does it too. */
export class HttpCallers {
  private readonly idle: Socket[] = [];
  private readonly all: Socket[] = [];

  constructor(private readonly port: number) {}

  /** Asks and waits for the whole answer, which must be a 200. */
  async get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<void> {
    const socket = this.idle.pop() ?? (await this.open());
    if (socket.destroyed) throw new Error('the server has hung up');
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const answer = await new Promise<string>((resolve, reject) => {
      let read = '';
      const onData = (data: string): void => {
        read += data;
        if (!isWhole(read)) return;
        stop();
        resolve(read);
      };
      const onClose = (): void => {
        stop();
        reject(new Error(`the server hung up after ${JSON.stringify(read)}`));
      };
      const stop = (): void => void socket.off('data', onData).off('close', onClose);
      socket.on('data', onData).on('close', onClose);
      socket.write(`GET ${path} HTTP/1.1\r\nhost: bench\r\n${lines.join('')}\r\n`);
    });
    this.idle.push(socket);
    if (!answer.startsWith('HTTP/1.1 200 ')) throw new Error(answer);
  }

  close(): void {
    for (const socket of this.all) socket.destroy();
  }

  private async open(): Promise<Socket> {
    const socket = connect(this.port, '127.0.0.1').setNoDelay(true).setEncoding('latin1');
    this.all.push(socket);
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return socket;
  }
}

function isWhole(answer: string): boolean {
  const body = answer.indexOf('\r\n\r\n');
  if (body === -1) return false;
  const [, length] = /\r\ncontent-length: (\d+)/i.exec(answer) ?? [undefined, '0'];
  return answer.length >= body + 4 + Number(length);
}
