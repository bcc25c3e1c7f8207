import type { ModuleMetadata } from '@nestjs/common';
import { ThrottlerGuard, type ThrottlerModuleOptions } from '@nestjs/throttler';
import { describe, expect, it } from 'vitest';
import { PersistPgThrottlerGuard } from '../../lib/integrations/throttler/throttler.guard';
import { HttpApp, type Answer, type Platform } from '../rate-limit/http-app';
import { memoryLimiter } from '../rate-limit/limiters';
import { throttledApp } from './throttler-app';

type Options = Exclude<ThrottlerModuleOptions, any[]>;

const minute = 60_000;
const one = { throttlers: [{ ttl: minute, limit: 2 }] };
const two = { throttlers: [{ name: 'long', ttl: minute, limit: 3 }, { name: 'short', ttl: 10_000, limit: 2, blockDuration: 20_000 }] }; // prettier-ignore
const bot = { 'user-agent': 'bot 1.0' };

/** What an app is asked; each configuration of ThrottlerGuard is in one of them. */
const conversations: [title: string, options: Options, requests: [path: string, headers?: Record<string, string>][]][] = [
  ['a limit', one, [['/plain'], ['/plain'], ['/plain'], ['/other'], ['/plain']]],
  ['several clients', one, [['/plain'], ['/plain'], ['/plain'], ['/plain', { 'x-forwarded-for': '203.0.113.7' }]]],
  ['two throttlers, of which the shorter refuses', two, [['/plain'], ['/plain'], ['/plain'], ['/other'], ['/plain']]],
  ['limits of a route', one, [['/strict'], ['/strict'], ['/plain']]],
  ['limits of a route with two throttlers', two, [['/strict'], ['/strict'], ['/strict']]],
  ['a tracker and a key of a route', one, [['/by-agent', bot], ['/by-agent', bot], ['/by-agent', bot], ['/by-agent', { 'user-agent': 'else' }]]],
  ['a limit by function', one, [['/dynamic'], ['/dynamic'], ['/dynamic?rich']]],
  ['a route that is skipped', one, [['/skipped'], ['/skipped'], ['/skipped']]],
  ['skipIf', { ...one, skipIf: (context) => context.getHandler().name === 'plain' }, [['/plain'], ['/plain'], ['/plain'], ['/other']]],
  [
    'skipIf of one throttler',
    { throttlers: [{ ...two.throttlers[0]!, skipIf: (context) => context.getHandler().name === 'plain' }, two.throttlers[1]!] },
    [['/plain'], ['/plain'], ['/plain'], ['/other'], ['/other']],
  ],
  ['ignored user agents', { ...one, ignoreUserAgents: [/^bot/] }, [['/plain', bot], ['/plain', bot], ['/plain', bot], ['/plain']]],
  [
    'user agents that one throttler ignores',
    { throttlers: [two.throttlers[0]!, { ...two.throttlers[1]!, ignoreUserAgents: [/^bot/] }] },
    [['/plain', bot], ['/plain', bot], ['/plain', bot], ['/plain', bot], ['/plain']],
  ],
  ['one key for all routes', { ...one, generateKey: (_, tracker) => tracker }, [['/plain'], ['/other'], ['/plain'], ['/other']]],
  [
    'keys for all routes, one for each throttler',
    { ...two, generateKey: (_, tracker, name) => `${tracker} ${name}` },
    [['/plain'], ['/other'], ['/plain', { 'x-forwarded-for': '203.0.113.7' }]],
  ],
  ['a tracker of all', { ...one, getTracker: (req) => req['headers']['user-agent'] }, [['/plain', bot], ['/plain', bot], ['/plain', bot], ['/plain']]],
  ['a message', { ...one, errorMessage: 'Slowly!' }, [['/strict'], ['/strict']]],
  [
    'a message by function',
    { ...one, errorMessage: (context, { limit, ttl, totalHits, isBlocked, timeToBlockExpire, tracker }) => `${context.getHandler().name} ${JSON.stringify({ limit, ttl, totalHits, isBlocked, timeToBlockExpire, tracker })}` },
    [['/strict'], ['/strict']],
  ],
  ['no headers', { ...one, setHeaders: false }, [['/strict'], ['/strict']]],
  ['no headers of one throttler', { throttlers: [{ ...two.throttlers[0]!, setHeaders: false }, two.throttlers[1]!] }, [['/plain'], ['/plain'], ['/plain']]],
  ['a limit of 0', { throttlers: [{ ttl: minute, limit: 0 }] }, [['/plain'], ['/plain']]],
  ['a limit of 0 beside another', { throttlers: [{ name: 'none', ttl: minute, limit: 0, blockDuration: 5_000 }, two.throttlers[0]!] }, [['/plain']]],
  ['no time', { throttlers: [{ ttl: 0, limit: 1 }] }, [['/plain'], ['/plain']]],
  ['no time for one throttler', { throttlers: [{ name: 'none', ttl: 0, limit: 1 }, two.throttlers[0]!] }, [['/plain'], ['/plain'], ['/plain'], ['/plain']]],
  ['times by functions', { throttlers: [{ ttl: () => minute, limit: () => Promise.resolve(2), blockDuration: () => 5_000 }] }, [['/plain'], ['/plain'], ['/plain']]],
]; // prettier-ignore

async function talk(app: HttpApp, requests: (typeof conversations)[number][2]): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (const [path, headers] of requests) answers.push(await app.get(path, { 'user-agent': 'test', ...headers }));
  return answers;
}

/** Without what ThrottlerGuard does not send. */
function asThrottlerGuard({ status, body, limits }: Answer, names: readonly string[]): unknown {
  const added = ['ratelimit', 'ratelimit-policy', ...(names.includes('default') ? [] : ['retry-after'])];
  return { status, body, limits: Object.fromEntries(Object.entries(limits).filter(([name]) => !added.includes(name))) };
}

async function compare(platform: Platform, options: Options, requests: (typeof conversations)[number][2]): Promise<void> {
  const names = options.throttlers.map(({ name = 'default' }) => name);
  const answersOf = async (metadata: ModuleMetadata): Promise<unknown[]> => {
    const answers = await talk(await HttpApp.open(platform, metadata), requests);
    return answers.map((answer) => asThrottlerGuard(answer, names));
  };
  const expected = await answersOf(throttledApp(ThrottlerGuard, options));
  for (const guard of [ThrottlerGuard, PersistPgThrottlerGuard]) {
    expect(await answersOf(throttledApp(guard, options, memoryLimiter().module)), guard.name).toEqual(expected);
  }
}

describe('between ThrottlerGuard on its own storage, ThrottlerGuard on ours and PersistPgThrottlerGuard a client sees no difference', () => {
  it.each(conversations)('with %s', async (_, options, requests) => {
    await compare('express', options, requests);
  });

  it.each(conversations.filter(([title]) => ['a limit', 'two throttlers, of which the shorter refuses', 'no headers'].includes(title)))(
    'with %s, on Fastify',
    async (_, options, requests) => {
      await compare('fastify', options, requests);
    },
  );
});
