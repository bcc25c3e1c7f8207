import { Injectable, type ExecutionContext } from '@nestjs/common';
import { ThrottlerGuard, type ThrottlerRequest } from '@nestjs/throttler';
import { ConfigError } from '../../persist-pg.errors';
import { seconds, setHeader, setRateLimitHeaders, type ToldLimit } from '../../rate-limit/rate-limit-headers';
import { maxLimit } from '../../rate-limit/rate-limit-rule';
import { isRule, PersistPgThrottlerStorage, type ThrottlerRecord } from './throttler-storage';

/** A throttler of the request at hand, and what became of its hit. */
type Counted = ThrottlerRequest & {
  readonly name: string;
  readonly key: string;
  readonly tracker: string;
  readonly record: ThrottlerRecord;
};

/**
 * Guard that counts all throttlers of a route in one statement and also sends `RateLimit` and `RateLimit-Policy`; use it in place of ThrottlerGuard.
 *
 * A request that one throttler refuses is counted by none of them. A throttler with a `generateKey`, `getTracker`, `skipIf` or `ignoreUserAgents` of its own, or with a function for `ttl`,
 * has a statement of its own: it does not count the same requests as the others.
 */
@Injectable()
export class PersistPgThrottlerGuard extends ThrottlerGuard {
  private readonly asked = new WeakMap<ExecutionContext, ThrottlerRequest[]>();

  /** Called by Nest. */
  override async onModuleInit(): Promise<void> {
    await super.onModuleInit();
    if (!(this.storageService instanceof PersistPgThrottlerStorage)) {
      throw new ConfigError('PersistPgThrottlerGuard needs ThrottlerModule with storage: new PersistPgThrottlerStorage(limiter)');
    }
  }

  /** Called by Nest. */
  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const asked: ThrottlerRequest[] = [];
    this.asked.set(context, asked);
    if (!(await super.canActivate(context))) return false;
    const told: ToldLimit[] = [];
    for (const group of this.groupsOf(asked)) {
      const counted = await this.count(group);
      this.sendHeaders(context, counted, told);
      const refused = counted.find(({ record }) => record.isBlocked);
      if (refused === undefined) continue;
      const { limit, ttl, key, tracker, record } = refused;
      await this.throwThrottlingException(context, { limit, ttl, key, tracker, ...record });
    }
    return true;
  }

  /** The base calls it for each throttler that applies, with its limits: they are counted when all are known. */
  protected override async handleRequest(request: ThrottlerRequest): Promise<boolean> {
    const { context, throttler } = request;
    const asked = this.asked.get(context);
    if (asked === undefined) return super.handleRequest(request);
    const agent = this.getRequestResponse(context).req['headers']?.['user-agent'] as string;
    const ignored = throttler.ignoreUserAgents ?? this.commonOptions.ignoreUserAgents ?? [];
    if (!ignored.some((pattern) => pattern.test(agent))) asked.push(request);
    return true;
  }

  /** Sends a header by Express and by Fastify alike. */
  protected override setResponseHeader(response: Record<string, any>, name: string, value: string | number): void {
    setHeader(response, name, value);
  }

  /** Those that are counted together, in the order of the throttlers. */
  private groupsOf(asked: readonly ThrottlerRequest[]): ThrottlerRequest[][] {
    const groups = new Map<unknown, ThrottlerRequest[]>();
    for (const request of asked) {
      const by = this.isJoint(request) ? request.getTracker : request;
      const group = groups.get(by);
      if (group === undefined) groups.set(by, [request]);
      else group.push(request);
    }
    return [...groups.values()];
  }

  // One row holds the counts of a group, so whoever is in it must be in it at every request of the same client to the same route: what can differ from request to request is counted alone.
  private isJoint(request: ThrottlerRequest): boolean {
    const { context, throttler, generateKey } = request;
    const isDefaultKey =
      generateKey === this.commonOptions.generateKey &&
      this.generateKey === ThrottlerGuard.prototype['generateKey'] &&
      (Array.isArray(this.options) || this.options.generateKey === undefined);
    if (!isDefaultKey || throttler.skipIf !== undefined || throttler.ignoreUserAgents !== undefined) return false;
    // As @Throttle() leaves it; @nestjs/throttler does not export the name.
    const ttl: unknown =
      this.reflector.getAllAndOverride(`THROTTLER:TTL${throttler.name}`, [context.getHandler(), context.getClass()]) ?? throttler.ttl;
    return typeof ttl !== 'function' && isRule(request);
  }

  private async count(group: readonly ThrottlerRequest[]): Promise<Counted[]> {
    const { context, getTracker, generateKey } = group[0]!;
    const throttles = group.map(({ throttler, ttl, limit, blockDuration }) => ({ name: throttler.name!, ttl, limit, blockDuration }));
    const tracker = await getTracker(this.getRequestResponse(context).req, context);
    const key = generateKey(context, tracker, throttles.map(({ name }) => name).join(','));
    const storage = this.storageService as PersistPgThrottlerStorage;
    const records = await storage.incrementAll(key, throttles);
    return group.map((request, i) => ({ ...request, name: throttles[i]!.name, key, tracker, record: records[i]! }));
  }

  /** The headers of ThrottlerGuard, and beside them those of the standard: `told` gathers what all groups have to say. */
  private sendHeaders(context: ExecutionContext, group: readonly Counted[], told: ToldLimit[]): void {
    const { res } = this.getRequestResponse(context);
    const shown = group.filter(({ throttler }) => throttler.setHeaders ?? this.commonOptions.setHeaders ?? true);
    told.push(...shown.filter(({ ttl }) => ttl > 0).map(toldOf));
    setRateLimitHeaders({ header: (name, value) => this.setResponseHeader(res, name, value) }, told);
    for (const { name, limit, record } of shown) {
      const suffix = name === 'default' ? '' : `-${name}`;
      if (record.isBlocked) {
        this.setResponseHeader(res, `Retry-After${suffix}`, record.timeToBlockExpire);
        // Clients know it by this name only.
        this.setResponseHeader(res, 'Retry-After', Math.max(...shown.map((each) => each.record.timeToBlockExpire)));
        return;
      }
      this.setResponseHeader(res, `${this.headerPrefix}-Limit${suffix}`, limit);
      this.setResponseHeader(res, `${this.headerPrefix}-Remaining${suffix}`, Math.max(0, limit - record.totalHits));
      this.setResponseHeader(res, `${this.headerPrefix}-Reset${suffix}`, record.timeToExpire);
    }
  }
}

function toldOf({ name, limit, ttl, record }: Counted): ToldLimit {
  const { totalHits, timeToExpire, isBlocked, timeToBlockExpire } = record;
  const quota = Math.max(0, Math.min(Math.floor(limit), maxLimit));
  return {
    name,
    limit: quota,
    window: seconds(ttl),
    remaining: Math.max(0, quota - totalHits),
    moreIn: isBlocked ? timeToBlockExpire : timeToExpire,
  };
}
