import { bindMethods } from '../decorators/decorated-method';
import type { PersistPg } from '../persist-pg';

/**
 * Gives an instance made with `new` what its `@WithLock()`, `@Cached()` and `@CacheEvict()` methods need, whatever instance name they say.
 *
 * @example const job = bindPersistPg(new ReportsJob(), createMemoryPersistPg());
 */
export function bindPersistPg<T extends object>(instance: T, persist: PersistPg): T {
  bindMethods(instance, persist);
  return instance;
}
