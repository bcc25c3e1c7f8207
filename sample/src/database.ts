import { startEmbedded, startSystem } from '../../dist/testing/embedded-postgres';

/** Where the shop keeps its data. */
export interface ShopDatabase {
  readonly url: string;
  /** For the eyes of who starts it. */
  readonly place: string;
  stop(): Promise<void>;
}

const dataDir = '.data';

/** `DATABASE_URL`, or else a PostgreSQL of our own that keeps its data in `.data/`, as durable as any. */
export async function openDatabase(): Promise<ShopDatabase> {
  const url = process.env['DATABASE_URL'];
  if (url) return { url, place: 'DATABASE_URL', stop: async () => {} };
  const server = await startEmbedded({ dataDir }).catch((missing: Error) =>
    startSystem({ dataDir }).catch((cause: Error) => {
      throw new Error(`${missing.message}\n${cause.message}\nSet DATABASE_URL to a PostgreSQL that runs.`, { cause });
    }),
  );
  return { url: server.url, place: `${server.dataDir}, ${server.url}`, stop: () => server.stop() };
}
