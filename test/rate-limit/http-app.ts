import type { INestApplication, ModuleMetadata } from '@nestjs/common';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { onTestFinished } from 'vitest';

export const platforms = ['express', 'fastify'] as const;
export type Platform = (typeof platforms)[number];

/** What a client sees. */
export interface Answer {
  readonly status: number;
  readonly body: any;
  header(name: string): string | null;
  /** All headers about limits, by their names in small letters. */
  readonly limits: Record<string, string>;
}

/** An app that listens, closed with the test; it believes `x-forwarded-for`, so that there can be several clients. */
export class HttpApp {
  private constructor(
    readonly app: INestApplication,
    private readonly url: string,
    /** What Nest has logged as errors. */
    readonly errors: readonly unknown[],
  ) {}

  static async open(platform: Platform, metadata: ModuleMetadata): Promise<HttpApp> {
    const module = await Test.createTestingModule(metadata).compile();
    const app =
      platform === 'express'
        ? module.createNestApplication<NestExpressApplication>(new ExpressAdapter())
        : module.createNestApplication<NestFastifyApplication>(new FastifyAdapter({ trustProxy: true }));
    if (platform === 'express') (app as NestExpressApplication).set('trust proxy', true);
    const errors: unknown[] = [];
    app.useLogger({ log() {}, warn() {}, error: (...what) => void errors.push(...what) });
    onTestFinished(() => app.close());
    await app.listen(0, '127.0.0.1');
    return new HttpApp(app, await app.getUrl(), errors);
  }

  async get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(this.url + path, { headers });
    const text = await response.text();
    const limits = [...response.headers].filter(([name]) => /ratelimit|retry-after/.test(name));
    return {
      status: response.status,
      body: /json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : text,
      header: (name) => response.headers.get(name),
      limits: Object.fromEntries(limits),
    };
  }

  /** From the client with this address. */
  from(address: string, path: string): Promise<Answer> {
    return this.get(path, { 'x-forwarded-for': address });
  }

  /** So many times, one after the other; gives the statuses. */
  async statuses(times: number, path: string, headers?: Record<string, string>): Promise<number[]> {
    const all: number[] = [];
    for (let i = 0; i < times; i++) all.push((await this.get(path, headers)).status);
    return all;
  }
}
