import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import type { Server } from 'node:http';
import express, { type Request } from 'express';
import session, { type SessionOptions, type Store } from 'express-session';
import supertest from 'supertest';
import { onTestFinished } from 'vitest';
import { PersistPgSessionStore } from '../../lib/integrations/session-express/session-store';
import type { Sessions } from '../../lib/session/sessions';
import { type Answer, type SessionSettings, type Visit, WebApp } from './web-app';

/** Set for each request before its session is loaded. */
export const context = new AsyncLocalStorage<string>();

/** Express 5 with express-session, asked through supertest. */
export class ExpressApp extends WebApp {
  readonly app = express();
  private server!: Server;

  static async open(sessions: Sessions, settings: SessionSettings = {}): Promise<ExpressApp> {
    return ExpressApp.on(new PersistPgSessionStore(sessions), settings);
  }

  /** With any store, and options that Fastify does not have. */
  static async on(store: Store, { cookie, newId, rolling }: SessionSettings = {}, own: Partial<SessionOptions> = {}): Promise<ExpressApp> {
    const web = new ExpressApp();
    const { app } = web;
    const options = { resave: false, saveUninitialized: false, rolling, ...(newId && { genid: newId }), ...(cookie && { cookie }) };
    app.use((_request, _response, next) => context.run('of the request', next));
    app.use(session({ store, secret: 's'.repeat(32), ...options, ...own }));
    app.get('/:visit', async (request, response) => {
      response.json(await web.handle(request.path, visitOf(request)));
    });
    app.use(((error, _request, response, _next) => {
      web.errors.push(error);
      if (!response.headersSent) response.status(500).json({ value: String(error) });
    }) satisfies express.ErrorRequestHandler);
    web.server = app.listen(0, '127.0.0.1');
    await once(web.server, 'listening');
    onTestFinished(() => web.close());
    return web;
  }

  protected async ask(path: string, headers: Record<string, string>): Promise<Answer> {
    const { status, body, headers: answered } = await supertest(this.server).get(path).set(headers);
    return { status, value: body.value, setCookie: (answered['set-cookie'] as unknown as string[] | undefined)?.[0] };
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

function visitOf(request: Request): Visit {
  const call = (name: 'save' | 'reload' | 'regenerate' | 'destroy') => (): Promise<void> =>
    new Promise((resolve, reject) => void request.session[name]((error: unknown) => (error ? reject(error as Error) : resolve())));
  return {
    get session() {
      return request.session;
    },
    get sid() {
      return request.sessionID;
    },
    save: call('save'),
    reload: call('reload'),
    regenerate: call('regenerate'),
    destroy: call('destroy'),
  };
}
