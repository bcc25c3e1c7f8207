import fastifyCookie from '@fastify/cookie';
import fastifySession from '@fastify/session';
import fastify, { type FastifyRequest } from 'fastify';
import { onTestFinished } from 'vitest';
import { PersistPgSessionStore } from '../../lib/integrations/session-fastify/session-store';
import type { Sessions } from '../../lib/session/sessions';
import { type Answer, type SessionSettings, type Visit, WebApp } from './web-app';

/** Fastify 5 with @fastify/session, asked through inject. */
export class FastifyApp extends WebApp {
  readonly app = fastify();

  static async open(sessions: Sessions, { cookie, newId, rolling }: SessionSettings = {}): Promise<FastifyApp> {
    const web = new FastifyApp();
    const { app } = web;
    await app.register(fastifyCookie);
    await app.register(fastifySession, {
      store: new PersistPgSessionStore(sessions),
      secret: 's'.repeat(32),
      saveUninitialized: false,
      cookie: { secure: false, ...cookie },
      ...(rolling !== undefined && { rolling }),
      ...(newId && { idGenerator: newId }),
    });
    app.get('/:visit', (request) => web.handle(request.url, visitOf(request)));
    app.setErrorHandler((error, _request, reply) => {
      web.errors.push(error);
      void reply.status(500).send({ value: String(error) });
    });
    await app.ready();
    onTestFinished(() => web.close());
    return web;
  }

  protected async ask(url: string, headers: Record<string, string>): Promise<Answer> {
    const { statusCode, body, headers: answered } = await this.app.inject({ url, headers });
    const [setCookie] = [answered['set-cookie']].flat();
    return { status: statusCode, value: (JSON.parse(body) as { value: unknown }).value, setCookie };
  }

  async close(): Promise<void> {
    await this.app.close();
  }
}

function visitOf(request: FastifyRequest): Visit {
  return {
    get session() {
      return request.session;
    },
    get sid() {
      return request.session.sessionId;
    },
    save: () => request.session.save(),
    reload: () => request.session.reload(),
    regenerate: () => request.session.regenerate(),
    destroy: () => request.session.destroy(),
  };
}
