/** What was typed makes no sense; exit code 2. */
export class UsageError extends Error {}

export const usage = `Usage: nestjs-persistpg <command> [options]

Commands
  migrate              make the schema, or bring it to the version of this package
  status               server, schema, tables, oldest snapshot
  sweep                remove what has expired from every table, at full speed
  keys [glob]          list keys of a namespace
  get <key>            show the value of a key
  clear                delete all entries of a namespace, or those of --prefix
  locks [glob]         list the locks that are held
  unlock <name>        take a lock away from whoever holds it

Options
  --url <url>          PostgreSQL; default PERSISTPG_URL, then DATABASE_URL
  --schema <name>      schema of the tables; default persistpg
  --namespace <name>   keys, get, clear: default the root
  --prefix <text>      keys, clear: only keys that begin so
  --nested             clear: the namespaces inside it too
  --limit <n>          keys: at most so many
  --durability <table>=<durable|async|unlogged>
                       migrate: how safe the rows of a new table are; may be repeated
                       (kv, cache, session, lock, rateLimit, reservation)
  --alter-durability   migrate: also rewrite the tables named by --durability that are there already;
                       nobody can read or write a table while it is rewritten
  --partitions <n>     migrate: hash partitions of a new kv table
  --yes                clear, unlock: do not ask
  --json               print JSON
  --help, --version

Exit codes: 0 done, 1 failed or not found, 2 used wrongly.
`;
