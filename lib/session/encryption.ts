import { createCipheriv, createDecipheriv, createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import { ConfigError, InvalidArgumentError, InvalidValueError } from '../persist-pg.errors';

const algorithm = 'aes-256-gcm';
const nonceLength = 12;
const tagLength = 16;

/** A key for encryption at rest. */
export interface EncryptionKey {
  /** Stored beside what it encrypts, so that keys can be rotated. */
  readonly id: string;
  readonly key: KeyObject;
}

/** Reads a key of the options: 32 bytes, as they are or as text in base64. */
export function readEncryptionKey(argument: string, given: { id: string; key: string | Uint8Array }): EncryptionKey {
  const { id, key } = given ?? {};
  if (typeof id !== 'string' || id === '' || id.length > 64)
    throw new InvalidArgumentError(`${argument}.id`, 'must be a text of 1 to 64 characters');
  const bytes = typeof key === 'string' ? Buffer.from(key, 'base64') : key;
  if (!(bytes instanceof Uint8Array) || bytes.length !== 32)
    throw new InvalidArgumentError(`${argument}.key`, 'must be 32 bytes, as text in base64');
  return { id, key: createSecretKey(bytes) };
}

/**
 * The form of field values at rest: as they are, or encrypted with AES-256-GCM, each by itself, so that fields can still
 * be merged; their names stay readable. The first key encrypts, all decrypt. A ciphertext belongs to its session and
 * field: moved to another it does not open.
 */
export class FieldCipher {
  private readonly byId: ReadonlyMap<string, KeyObject>;

  constructor(private readonly keys: readonly EncryptionKey[]) {
    this.byId = new Map(keys.map(({ id, key }) => [id, key]));
  }

  /** The value to be stored, as JSON text. */
  close(session: string, field: string, json: string): string {
    const [newest] = this.keys;
    if (newest === undefined) return isEnvelope(json) ? `{"$enc":["",${json}]}` : json;
    const nonce = randomBytes(nonceLength);
    const cipher = createCipheriv(algorithm, newest.key, nonce);
    cipher.setAAD(belonging(session, field));
    const closed = Buffer.concat([nonce, cipher.update(json, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return JSON.stringify({ $enc: [newest.id, closed.toString('base64')] });
  }

  /** The value of what is stored; `ConfigError` if its key is not among ours, `InvalidValueError` if it was tampered with. */
  open(session: string, field: string, stored: unknown): unknown {
    // Without an envelope it was written before there were keys.
    if (typeof stored !== 'object' || stored === null || !Object.hasOwn(stored, '$enc')) return stored;
    const { $enc: envelope } = stored as { $enc: unknown };
    const [id, content] = Array.isArray(envelope) ? (envelope as unknown[]) : [];
    if (id === '') return content;
    if (typeof id !== 'string' || typeof content !== 'string') throw unreadable(session, field);
    const key = this.byId.get(id);
    if (key === undefined) {
      throw new ConfigError(
        `the session ${session} is encrypted with the key ${JSON.stringify(id)}, which session.encryptionKeys does not have: keep a key there for as long as sessions written with it live`,
      );
    }
    return JSON.parse(this.decrypt(key, session, field, Buffer.from(content, 'base64')));
  }

  private decrypt(key: KeyObject, session: string, field: string, closed: Buffer): string {
    try {
      const decipher = createDecipheriv(algorithm, key, closed.subarray(0, nonceLength), { authTagLength: tagLength });
      decipher.setAAD(belonging(session, field));
      decipher.setAuthTag(closed.subarray(-tagLength));
      return decipher.update(closed.subarray(nonceLength, -tagLength), undefined, 'utf8') + decipher.final('utf8');
    } catch (cause) {
      throw unreadable(session, field, cause);
    }
  }
}

function unreadable(session: string, field: string, cause?: unknown): InvalidValueError {
  return new InvalidValueError(session, [{ message: 'cannot be decrypted: it is not what was written there', path: [field] }], { cause });
}

function belonging(session: string, field: string): Buffer {
  return Buffer.from(`${session}\0${field}`);
}

// A value of the app's own that looks like one of ours is put into one without a key.
function isEnvelope(json: string): boolean {
  return json.includes('"$enc"') && Object.hasOwn(Object(JSON.parse(json)) as object, '$enc');
}
