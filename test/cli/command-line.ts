import { PassThrough } from 'node:stream';
import { runCommandLine } from '../../lib/cli/command-line';

/** What a command line has printed, and its exit code. */
export interface Done {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Stdout as JSON. */
  readonly json: any;
}

/** Runs command lines against one database and schema, as on a terminal or not. */
export class CommandLines {
  constructor(
    private readonly url: string,
    private readonly schema: string,
  ) {}

  /** `answer` is typed at a terminal; without it there is none. */
  async run(args: readonly string[], answer?: string): Promise<Done> {
    const stream = () => Object.assign(new PassThrough(), { isTTY: answer !== undefined });
    const [stdin, stdout, stderr] = [stream(), stream(), stream()];
    const said = { stdout: '', stderr: '' };
    stdout.on('data', (data) => (said.stdout += data));
    stderr.on('data', (data) => (said.stderr += data));
    if (answer !== undefined) stdin.write(`${answer}\n`);
    const code = await runCommandLine([...args, '--url', this.url, '--schema', this.schema], () => '1.2.3', { stdin, stdout, stderr });
    return {
      code,
      ...said,
      get json() {
        return JSON.parse(said.stdout);
      },
    };
  }
}
