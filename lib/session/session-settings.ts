import type { Instrumentation } from '../instrumentation';
import type { EncryptionKey } from './encryption';
import type { SessionOptions } from './session-options';

/** Limits and defaults of a session service; durations in milliseconds. */
export interface SessionSettings {
  readonly ttl: number;
  readonly absoluteTtl: number | undefined;
  readonly touchAfter: number;
  readonly userId: SessionOptions['userId'];
  readonly maxPerUser: number | undefined;
  readonly encryptionKeys: readonly EncryptionKey[];
  /** Largest session in bytes. */
  readonly maxValueSize: number;
  readonly instrumentation: Instrumentation;
}
