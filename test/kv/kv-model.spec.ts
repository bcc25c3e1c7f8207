import { describe, expect, it } from 'vitest';
import { KvService } from '../../lib/kv/kv-service';
import { MemoryClock } from '../../lib/testing/memory-clock';
import { MemoryKvStore } from '../../lib/testing/memory-kv-store';
import { MemoryRows } from '../../lib/testing/memory-rows';
import type { MakeKv } from './behaviour/setup';
import { checkKvModel } from './kv-model';

const settings = { maxKeyLength: 1_024, maxValueSize: 8 * 1024 * 1024, timeout: 1_000, defaultTtl: undefined };

function withStore(Store: typeof MemoryKvStore): MakeKv {
  return () => {
    const clock = new MemoryClock();
    return { kv: new KvService(new Store(new MemoryRows(clock)), settings), age: (by) => clock.advance(by) };
  };
}

it('the model agrees with itself', () => checkKvModel(withStore(MemoryKvStore), { runs: 200 }));

describe('the model finds a store that', () => {
  const wrong: Record<string, typeof MemoryKvStore> = {
    'heeds no condition': class extends MemoryKvStore {
      override set(...[namespace, key, value, expiry]: Parameters<MemoryKvStore['set']>) {
        return super.set(namespace, key, value, expiry, 'always');
      }
    },
    'forgets expiries that are to be kept': class extends MemoryKvStore {
      override set(...[namespace, key, value, expiry, condition]: Parameters<MemoryKvStore['set']>) {
        return super.set(namespace, key, value, typeof expiry === 'object' && 'keep' in expiry ? 'never' : expiry, condition);
      }
    },
    'takes its time': class extends MemoryKvStore {
      override async delete(...args: Parameters<MemoryKvStore['delete']>) {
        await Promise.resolve();
        return super.delete(...args);
      }
    },
    'mixes up namespaces': class extends MemoryKvStore {
      override add(...[namespace, ...rest]: Parameters<MemoryKvStore['add']>) {
        return super.add(namespace === 'a:b' ? 'a' : namespace, ...rest);
      }
    },
    'counts over a bound': class extends MemoryKvStore {
      override add(...[namespace, key, by, options]: Parameters<MemoryKvStore['add']>) {
        return super.add(namespace, key, by, { ...options, max: undefined });
      }
    },
    'keeps what is rolled back': class extends MemoryKvStore {
      override transaction<R>(work: Parameters<MemoryKvStore['transaction']>[0]): Promise<R> {
        return work(this, undefined as never) as Promise<R>;
      }
    },
    'keeps one entry of a prefix': class extends MemoryKvStore {
      override async deletePrefix(namespace: string, prefix: string) {
        const [first, ...rest] = await this.keys(namespace, { prefix, includeExpired: true }, { limit: 9 });
        return (first === undefined ? 0 : 1) + (await this.delete(namespace, rest));
      }
    },
  };
  it.each(Object.entries(wrong))('%s', async (_, Store) => {
    await expect(checkKvModel(withStore(Store), { runs: 300 })).rejects.toThrow(/Counterexample/);
  });
});
