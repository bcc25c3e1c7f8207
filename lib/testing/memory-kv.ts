import { KvService } from '../kv/kv-service';
import type { Kv } from '../kv/kv';
import { resolveOptions } from '../resolve-options';
import { MemoryClock } from './memory-clock';
import { MemoryKvStore } from './memory-kv-store';
import { MemoryRows } from './memory-rows';

class MemoryKv extends KvService {
  constructor(private readonly clock: MemoryClock) {
    const { maxKeyLength, maxValueSize, timeout, kv } = resolveOptions({}, {});
    super(new MemoryKvStore(new MemoryRows(clock)), { maxKeyLength, maxValueSize, timeout, defaultTtl: kv.ttl });
  }

  advance(by: number | string): void {
    this.clock.advance(by);
  }
}

/**
 * The key/value service alone, without a database: same answers as on PostgreSQL, default limits, and `advance()` moves
 * its time. `transaction()` undoes what it did when the work throws, but isolates nothing, and its `manager` rejects
 * every use; `withManager()` takes any manager and joins nothing.
 *
 * @example
 * const kv = createMemoryKv();
 * await kv.set('link', 'https://x.lv', '30d');
 * kv.advance('31d');
 * await kv.get('link'); // undefined
 */
export function createMemoryKv(): Kv & {
  /** Moves its time on, by milliseconds or a text such as `'31d'`. */
  advance(by: number | string): void;
} {
  return new MemoryKv(new MemoryClock());
}
