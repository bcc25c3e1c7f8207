/** Limits and defaults of a key/value service. */
export interface KvSettings {
  /** Longest key in bytes of UTF-8. */
  readonly maxKeyLength: number;
  /** Largest value in bytes. */
  readonly maxValueSize: number;
  /** Milliseconds for which `update` tries again when others are faster. */
  readonly timeout: number;
  /** Milliseconds that entries live for which nothing is said; `undefined`: for good. */
  readonly defaultTtl: number | undefined;
}
