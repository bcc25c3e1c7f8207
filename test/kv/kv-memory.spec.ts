import { createMemoryKv } from '../../lib/testing/memory-kv';
import { describeKv } from './kv-behaviour';

describeKv('the KV in memory', () => {
  const kv = createMemoryKv();
  return { kv, age: (by) => kv.advance(by) };
});
