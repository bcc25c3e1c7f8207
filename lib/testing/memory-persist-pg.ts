import type { EntityManager, TransactionManager } from '../database/transaction-manager';
import type { Kv } from '../kv/kv';
import { KvService } from '../kv/kv-service';
import { PersistPg, type PersistPgTransaction } from '../persist-pg';
import { resolveOptions } from '../persist-pg.options';
import type { Sweeper } from '../sweeper/sweeper';
import { MemoryClock } from './memory-clock';
import { MemoryKvStore } from './memory-kv-store';
import { MemoryRows } from './memory-rows';
import { MemorySweeper } from './memory-sweeper';

class MemoryPersistPg extends PersistPg {
  readonly kv: Kv;
  readonly sweeper: Sweeper;
  private readonly clock = new MemoryClock();

  constructor() {
    super();
    const { maxKeyLength, maxValueSize, timeout, kv } = resolveOptions({}, {});
    const rows = new MemoryRows(this.clock);
    this.kv = new KvService(new MemoryKvStore(rows), { maxKeyLength, maxValueSize, timeout, defaultTtl: kv.ttl });
    this.sweeper = new MemorySweeper(rows);
  }

  withManager(manager: TransactionManager): PersistPgTransaction {
    return { manager: manager as EntityManager, kv: this.kv.withManager(manager) };
  }

  transaction<R>(work: (tx: PersistPgTransaction) => Promise<R>): Promise<R> {
    return this.kv.transaction((kv, manager) => work({ manager, kv }));
  }

  async ready(): Promise<void> {}

  async close(): Promise<void> {
    await this.sweeper.stop();
  }

  advance(by: number | string): void {
    this.clock.advance(by);
  }
}

/**
 * All services without a database, in this process: same answers, `advance()` moves time; `transaction()` undoes what it did when the work throws, its `manager` rejects every use; `withManager()` takes any manager and joins nothing.
 *
 * @example Test.createTestingModule({ imports: [AppModule] }).overrideProvider(PERSIST_PG).useValue(createMemoryPersistPg())
 */
export function createMemoryPersistPg(): PersistPg & { advance(by: number | string): void } {
  return new MemoryPersistPg();
}
