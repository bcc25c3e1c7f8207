import { createHash } from 'node:crypto';

/** Longest key that is stored as it is, in bytes of UTF-8. */
const longest = 256;

const hashed = 'sha256:';

/** The key as it is stored: a long one as its hash, and so is what looks like a hash, so that two keys are never one. */
export function storedKey(key: string): string {
  const isShort = key.length * 3 <= longest || Buffer.byteLength(key) <= longest;
  return isShort && !key.startsWith(hashed) ? key : hashed + createHash('sha256').update(key).digest('base64url');
}
