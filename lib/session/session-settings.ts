import type { Instrumentation } from '../instrumentation';
import type { EncryptionKey } from './encryption';
import type { SessionOptions } from './session-options';

/** What is said once for all sessions; durations in milliseconds. */
export interface SessionDefaults {
  readonly ttl: number;
  readonly absoluteTtl: number | undefined;
  readonly touchAfter: number;
  readonly userId: SessionOptions['userId'];
  readonly maxPerUser: number | undefined;
  readonly encryptionKeys: readonly EncryptionKey[];
}

/** The same with the limits that a session service keeps to. */
export interface SessionSettings extends SessionDefaults {
  /** Largest session in bytes. */
  readonly maxValueSize: number;
  readonly instrumentation: Instrumentation;
}
