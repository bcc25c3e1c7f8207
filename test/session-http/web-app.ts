import { expect } from 'vitest';
import type { Sessions } from '../../lib/session/sessions';

/** A request under way, as its handler sees it, whichever the framework. */
export interface Visit {
  /** The session object; another one after `regenerate` and `reload`. */
  readonly session: any;
  readonly sid: string;
  save(): Promise<void>;
  reload(): Promise<void>;
  regenerate(): Promise<void>;
  destroy(): Promise<void>;
}

export type Handler = (visit: Visit) => unknown;

/** How an app keeps sessions; the cookie is sent over HTTP, and nothing is saved without data. */
export interface SessionSettings {
  cookie?: { maxAge?: number; expires?: Date };
  rolling?: boolean;
  newId?: () => string;
}

/** What a browser sees. */
export interface Answer {
  readonly status: number;
  readonly value: any;
  readonly setCookie: string | undefined;
}

/** An app on one of the frameworks, with a store over `sessions`. */
export abstract class WebApp {
  /** What has been reported: what the error handler was given. */
  readonly errors: any[] = [];
  private readonly handlers = new Map<string, Handler>();
  private visits = 0;

  /** Asks for a path with these headers. */
  protected abstract ask(path: string, headers: Record<string, string>): Promise<Answer>;

  abstract close(): Promise<void>;

  browser(headers: Record<string, string> = {}): Browser {
    return new Browser((handler, cookie) => this.visit(handler, { ...headers, ...(cookie !== undefined && { cookie }) }));
  }

  /** Runs the handler of a path; what it gives is the answer. */
  protected async handle(path: string, visit: Visit): Promise<{ value: unknown }> {
    const handler = this.handlers.get(path)!;
    this.handlers.delete(path);
    return { value: (await handler(visit)) ?? null };
  }

  private visit(handler: Handler, headers: Record<string, string>): Promise<Answer> {
    const path = `/${++this.visits}`;
    this.handlers.set(path, handler);
    return this.ask(path, headers);
  }
}

/** Keeps the cookie that it was given. */
export class Browser {
  cookie: string | undefined;

  constructor(private readonly request: (handler: Handler, cookie: string | undefined) => Promise<Answer>) {}

  /** Has a handler run, and gives what it gives. */
  async visit(handler: Handler): Promise<any> {
    const answer = await this.try(handler);
    expect(answer, JSON.stringify(answer.value)).toMatchObject({ status: 200 });
    return answer.value;
  }

  /** The same where an error is expected. */
  async try(handler: Handler): Promise<Answer> {
    const answer = await this.request(handler, this.cookie);
    if (answer.setCookie !== undefined) this.cookie = answer.setCookie.split(';')[0]!;
    return answer;
  }

  /** Begins a visit, and resolves when its session has been loaded; it ends, with a change, when told to. */
  async slowly(change: Handler): Promise<{ finish(): Promise<Answer> }> {
    const go = new Gate();
    const loaded = new Gate();
    const answer = this.try(async (visit) => {
      loaded.open();
      await go.opened;
      return change(visit);
    });
    await Promise.race([loaded.opened, answer]);
    return {
      finish: () => {
        go.open();
        return answer;
      },
    };
  }

  /** The session's data without its cookie. */
  data(): Promise<any> {
    return this.visit(({ session }) => {
      const { cookie: _, ...data } = JSON.parse(JSON.stringify(session)) as Record<string, unknown>;
      return data;
    });
  }
}

class Gate {
  open!: () => void;
  readonly opened = new Promise<void>((resolve) => (this.open = resolve));
}

/** Opens an app for a test, closed with it. */
export type OpenApp = (sessions: Sessions, settings?: SessionSettings) => Promise<WebApp>;
