import { LRUCache } from 'lru-cache';
import { noInstrumentation, type Instrumentation } from '../instrumentation';
import type { CacheStats } from './cache-options';

/** What is counted, and its labels in metrics. */
const labels = {
  hits: { result: 'hit' },
  nearHits: { result: 'near_hit' },
  staleHits: { result: 'stale' },
  misses: { result: 'miss' },
  factoryRuns: { result: 'factory' },
  coalesced: { result: 'coalesced' },
  evictions: { result: 'eviction' },
  errors: { result: 'error' },
} as const;

/** Numbers of one namespace. */
export class CacheNumbers {
  private readonly counts = { hits: 0, nearHits: 0, staleHits: 0, misses: 0, factoryRuns: 0, coalesced: 0, evictions: 0, errors: 0 };

  constructor(private readonly instrumentation: Instrumentation) {}

  count(what: keyof CacheStats, by = 1): void {
    if (by === 0) return;
    this.counts[what] += by;
    if (this.instrumentation !== noInstrumentation) this.instrumentation.count('persistpg_cache_total', by, labels[what]);
  }

  stats(): CacheStats {
    return { ...this.counts };
  }
}

/** Numbers by namespace; of very many, as with one for each tenant, those used last. */
export class AllCacheNumbers {
  private readonly byNamespace = new LRUCache<string, CacheNumbers>({ max: 10_000 });

  constructor(private readonly instrumentation: Instrumentation) {}

  of(namespace: string): CacheNumbers {
    let numbers = this.byNamespace.get(namespace);
    if (numbers === undefined) this.byNamespace.set(namespace, (numbers = new CacheNumbers(this.instrumentation)));
    return numbers;
  }
}
