/** What a process of its own handles. */
export interface Handling {
  readonly namespace: string;
  readonly reliable: boolean;
  /** Whether it never comes to the end of its first batch. */
  readonly hangs?: boolean;
  /** Milliseconds that it takes over a batch. */
  readonly ms?: number;
}

/**
 * A script that sweeps every so many milliseconds and prints `got <namespace> <key>` for what its handlers get, until it is told
 * to end; then `swept <rows>`.
 */
export const handlingProcess = (interval: number, handlers: readonly Handling[]): string => `
let swept = 0;
const instrumentation = {
  count: (name, by, labels) => { if (name === 'persistpg_swept_rows_total' && labels.table === 'kv') swept += by; },
  gauge() {}, record() {},
};
const persist = createPersistPg({ url: process.env.TEST_URL, schema: process.env.TEST_SCHEMA, instrumentation, sweeper: { autoStart: false } });
for (const { namespace, reliable, hangs, ms = 0 } of ${JSON.stringify(handlers)}) {
  const handle = async (entries) => {
    process.stdout.write(entries.map(({ key }) => 'got ' + namespace + ' ' + key + '\\n').join(''));
    if (hangs || ms > 0) await sleep(hangs ? 60_000 : ms);
  };
  persist.expired.add({ namespace, reliable, name: namespace, handle });
}
await persist.ready();
persist.sweeper.start({ interval: ${interval} });
process.on('SIGTERM', async () => {
  await persist.close();
  console.log('swept ' + swept);
});
console.log('ready');
`;

/** The keys that such a process printed. */
export function keysGot(stdout: string, namespace: string): string[] {
  const beginning = `got ${namespace} `;
  return stdout
    .split('\n')
    .filter((line) => line.startsWith(beginning))
    .map((line) => line.slice(beginning.length));
}
