import type { ExpiryStrategy } from '../persist-pg.options';
import { KvSql, now } from './kv.sql';

/** Values over this many bytes are left out of merged reads and fetched alone, so that one never delays small ones. */
export const bigValue = 256 * 1024;

const msLeft = (expiresAt: string): string => `(extract(epoch from ${expiresAt} - ${now}) * 1000)::float8`;
const epochMs = (time: string): string => `(extract(epoch from ${time}) * 1000)::float8`;

/** Reads: each sees one snapshot and waits for nobody. */
export class KvReadSql extends KvSql {
  /** With expiry `on-read`, reads also give expired rows and say so in a last column. */
  private readonly seen: string;
  private readonly dead: string;

  constructor(table: string, expiry: ExpiryStrategy) {
    super(table, expiry);
    this.seen = expiry === 'on-read' ? 'true' : this.live;
    this.dead = expiry === 'on-read' ? `, not ${this.live}` : '';
  }

  /** One value: $1 namespace, $2 key. All null: it is big. Reads one snapshot, waits for nobody. */
  getOne(): string {
    return `select ${this.smallValue()}${this.dead} from ${this.table} t where t.namespace = $1 and t.key = $2 and ${this.seen}`;
  }

  /** Values of one namespace: $1 namespace, $2 keys. */
  getMany(): string {
    return `select t.key, ${this.smallValue()}${this.dead} from ${this.table} t where t.namespace = $1 and t.key = any($2::text[]) and ${this.seen}`;
  }

  /** Values of several namespaces: $1 namespaces, $2 keys, side by side. */
  getAcross(): string {
    return `select t.namespace, t.key, ${this.smallValue()}${this.dead} from ${this.pairs()} where ${this.seen}`;
  }

  /** One value of any size: $1 namespace, $2 key. */
  getBig(): string {
    return `select t.value, encode(t.bytes, 'base64'), t.counter from ${this.table} t where t.namespace = $1 and t.key = $2 and ${this.live}`;
  }

  /** Entries with what surrounds them: $1 namespaces, $2 keys, side by side. */
  entries(): string {
    return `select t.namespace, t.key, ${this.smallValue()}, t.version, ${epochMs('t.created_at')}, ${epochMs('t.updated_at')}, ${epochMs('t.expires_at')}, ${msLeft('t.expires_at')}
from ${this.pairs()} where ${this.live}`;
  }

  /** Time left of live entries: $1 namespaces, $2 keys, side by side. */
  lives(): string {
    return `select t.namespace, t.key, ${msLeft('t.expires_at')} from ${this.pairs()} where ${this.live}`;
  }

  private smallValue(): string {
    return `case when t.size <= ${bigValue} then t.value end, case when t.size <= ${bigValue} then t.bytes end, t.counter`;
  }
}
