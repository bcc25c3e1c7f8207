import type { TransactionManager } from '../database/transaction-manager';
import { InvalidArgumentError } from '../persist-pg.errors';
import { FieldCipher } from './encryption';
import { readExcept, readExpiresAt, readSaveOptions, readSessionPage, readUserId, userOf } from './session-arguments';
import { LoadedFields } from './loaded-fields';
import { SessionBase, SessionBases } from './session-base';
import { cookieExpiry, correctCookie, endOf, readFields, type Fields } from './session-fields';
import { eitherId, hashedSid } from './session-id';
import { SessionGoneError } from './session.errors';
import type { SessionSettings } from './session-settings';
import { endStep, type Client, type SessionExpiry, type SessionStore, type StoredInfo } from './session-store';
import { Sessions, type LoadedSession, type SessionInfo } from './sessions';

/** What a `save` that was read and checked is to write. */
interface Save extends Client {
  readonly id: string;
  readonly data: object;
  readonly fields: Fields;
  readonly userId: string | undefined;
  readonly end: End;
}

/** When a session is to end: for the store, and in milliseconds of the epoch if a moment was asked for. */
interface End {
  readonly expiry: SessionExpiry;
  readonly at: number | undefined;
}

const nobody: Client = { ip: undefined, userAgent: undefined };

/** `Sessions` over any store: what PostgreSQL and memory have in common. */
export class SessionService extends Sessions {
  private readonly cipher: FieldCipher;

  constructor(
    private readonly store: SessionStore,
    private readonly settings: SessionSettings,
    private readonly bases = new SessionBases(),
  ) {
    super();
    this.cipher = new FieldCipher(settings.encryptionKeys);
  }

  async load(sid: string): Promise<LoadedSession | undefined> {
    const id = hashedSid(sid);
    const stored = id === undefined ? undefined : await this.store.load(id);
    this.tell(stored === undefined ? 'missed' : 'loaded');
    if (id === undefined || stored === undefined) return undefined;
    const { json } = stored;
    const expiresAt = new Date(stored.expiresAt);
    const data = this.open(id, json);
    // Before the request gets to work on it.
    const base = new SessionBase(id, new LoadedFields(data), stored);
    correctCookie(data, expiresAt);
    return this.bases.handOut(data, expiresAt, base);
  }

  async save(
    sid: string,
    data: Record<string, unknown>,
    options?: { loaded?: LoadedSession; expiresAt?: Date; ip?: string; userAgent?: string },
  ): Promise<void> {
    const id = hashedSid(sid);
    if (id === undefined) throw new InvalidArgumentError('sid', 'has the form of `SessionInfo.id`, which no session id may have');
    const { loaded, expiresAt, ip, userAgent } = readSaveOptions(options);
    const fields = readFields(id, data, this.settings.maxValueSize);
    const { base, isLive } = this.bases.of(id, data, loaded);
    const userId = userOf(this.settings.userId, data);
    const end = this.endAt(expiresAt ?? cookieExpiry(fields));
    if (end === undefined) {
      await this.end(id);
      return;
    }
    const save: Save = { id, data, fields, userId, end, ip, userAgent };
    await (base === undefined ? this.write(save) : this.change(save, base, isLive));
    const { maxPerUser } = this.settings;
    if (maxPerUser === undefined || userId === undefined || userId === base?.userId) return;
    this.ended('evicted', await inSteps(() => this.store.evict(userId, maxPerUser)));
  }

  /** @internal Whether a `save` of what was loaded as the same session surely has nothing to write. */
  spares(data: object, loaded: LoadedSession): boolean {
    const { base, isLive } = this.bases.ofLoaded(data, loaded);
    if (base === undefined || !isLive || !base.isSurely(data) || userOf(this.settings.userId, data) !== base.userId) return false;
    const end = this.endAt(endOf(data));
    if (end === undefined || base.isDue(this.settings.touchAfter, end.at)) return false;
    this.tell('spared');
    return true;
  }

  async touch(sid: string, expiresAt?: Date): Promise<boolean> {
    const id = hashedSid(sid);
    const end = this.endAt(readExpiresAt(expiresAt));
    if (id === undefined) return false;
    if (end === undefined) {
      await this.end(id);
      return false;
    }
    const outcome = await this.store.change(id, { fields: undefined, user: undefined, expiry: end.expiry, ...nobody });
    this.tell(outcome === 'changed' ? 'touched' : outcome);
    return outcome !== 'gone';
  }

  async list(page?: { after?: string; limit?: number }): Promise<SessionInfo[]> {
    const { after, limit } = readSessionPage(page);
    return (await this.store.list(after, limit)).map(infoOf);
  }

  async clear(): Promise<number> {
    return this.ended('destroyed', await this.store.clear());
  }

  async sessionsOf(userId: string | number): Promise<SessionInfo[]> {
    return (await this.store.ofUser(readUserId(userId))).map(infoOf);
  }

  async destroyByUser(userId: string | number, options?: { except?: string | readonly string[] }): Promise<number> {
    const user = readUserId(userId);
    const except = readExcept(options);
    return this.ended('destroyed', await inSteps(() => this.store.destroyOfUser(user, except)));
  }

  async destroy(id: string): Promise<boolean> {
    return this.end(eitherId(id, 'id'));
  }

  async count(): Promise<number> {
    return this.store.count();
  }

  withManager(manager: TransactionManager): Sessions {
    return this.over(this.store.withManager(manager));
  }

  detached(): Sessions {
    return this.over(this.store.detached());
  }

  /** The same service over another way to the same sessions. */
  over(store: SessionStore): SessionService {
    return new SessionService(store, this.settings, this.bases);
  }

  /** A session of which nothing is known to be stored. */
  private async write(save: Save): Promise<void> {
    const { id, fields, userId, end, ip, userAgent } = save;
    const remember = this.remembering(save);
    const outcome = await this.store.write(id, { fields: this.close(id, fields), userId, expiry: end.expiry, ip, userAgent });
    this.tell(outcome);
    if (outcome === 'gone') throw gone(id, 'was destroyed or has expired');
    remember();
  }

  /** A session of which something is known to be stored: the rest of it is left alone. */
  private async change(save: Save, base: SessionBase, isLive: boolean): Promise<void> {
    const { id, userId, end, ip, userAgent } = save;
    const changes = base.changesTo(save.fields);
    const user = userId === base.userId ? undefined : { id: userId };
    // A request that has only read costs no second statement.
    if (isLive && changes === undefined && user === undefined && !base.isDue(this.settings.touchAfter, end.at)) {
      this.tell('spared');
      return;
    }
    const { set, gone: removed } = changes ?? { set: new Map<string, string>(), gone: [] };
    const fields = changes === undefined && user === undefined ? undefined : { set: this.close(id, set), gone: removed };
    const remember = this.remembering(save);
    const outcome = await this.store.change(id, { fields, user, expiry: end.expiry, ip, userAgent });
    this.tell(outcome === 'changed' && fields === undefined ? 'touched' : outcome);
    if (outcome === 'gone') throw gone(id, 'was destroyed or has expired since it was loaded');
    if (outcome === 'changed') remember();
  }

  // What a transaction may still undo is not known to be stored.
  private remembering({ id, data, fields, userId, end }: Save): () => void {
    if (this.store.joined) return () => {};
    const now = Date.now();
    const expiresAt = end.at ?? now + this.settings.ttl;
    return () => this.bases.rememberWritten(data, new SessionBase(id, fields, { userId, expiresAt, age: 0, life: expiresAt - now }));
  }

  private async end(id: string): Promise<boolean> {
    return this.ended('destroyed', Number(await this.store.destroy(id))) > 0;
  }

  /** `undefined`: it is over already. */
  private endAt(moment: Date | undefined): End | undefined {
    const { ttl, absoluteTtl = ttl } = this.settings;
    if (moment === undefined) return { expiry: { ttl: Math.min(ttl, absoluteTtl) }, at: undefined };
    return moment.getTime() <= Date.now() ? undefined : { expiry: { at: moment }, at: moment.getTime() };
  }

  private open(id: string, json: string): Record<string, unknown> {
    const data = JSON.parse(json) as Record<string, unknown>;
    for (const name of Object.keys(data)) data[name] = this.cipher.open(id, name, data[name]);
    return data;
  }

  private close(id: string, fields: Fields): Fields {
    return new Map([...fields].map(([name, json]) => [name, this.cipher.close(id, name, json)]));
  }

  private ended(event: 'destroyed' | 'evicted', sessions: number): number {
    if (sessions > 0) this.bases.ended();
    this.tell(event, sessions);
    return sessions;
  }

  private tell(event: string, by = 1): void {
    if (by > 0) this.settings.instrumentation.count('persistpg_sessions_total', by, { event });
  }
}

function gone(id: string, why: string): SessionGoneError {
  return new SessionGoneError(`the session ${id} ${why}; nothing was written`);
}

function infoOf({ createdAt, seenAt, expiresAt, ...info }: StoredInfo): SessionInfo {
  return { ...info, createdAt: new Date(createdAt), lastSeenAt: new Date(seenAt), expiresAt: new Date(expiresAt) };
}

async function inSteps(step: () => Promise<number>): Promise<number> {
  for (let all = 0; ;) {
    const some = await step();
    all += some;
    if (some < endStep) return all;
  }
}
