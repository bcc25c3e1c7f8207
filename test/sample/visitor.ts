import type { BrowserContext, Locator, Page } from 'playwright-core';
import { eventually } from '../support/database';

/** Somebody who looks at the shop's page, and whatever went wrong on it. */
export class Visitor {
  /** What nobody has asked for: errors in the console, exceptions, requests without an answer, and refusals as `409 POST /path`. */
  readonly problems = new Set<string>();

  private constructor(
    readonly context: BrowserContext,
    readonly page: Page,
  ) {}

  static async of(context: BrowserContext, url: string): Promise<Visitor> {
    const visitor = new Visitor(context, await context.newPage());
    context.on('console', (message) => visitor.hear(message.type(), message.text()));
    context.on('weberror', (error) => visitor.problems.add(error.error().message));
    context.on('requestfailed', (request) => visitor.problems.add(`${request.failure()?.errorText} ${request.method()} ${request.url()}`));
    context.on('response', (response) => {
      const { pathname } = new URL(response.url());
      if (response.status() >= 400) visitor.problems.add(`${response.status()} ${response.request().method()} ${pathname}`);
    });
    await visitor.page.goto(url);
    return visitor;
  }

  /** A second tab, which `open` opens. */
  async tab(open: () => Promise<unknown>): Promise<Page> {
    const [page] = await Promise.all([this.context.waitForEvent('page'), open()]);
    await page.waitForLoadState();
    return page;
  }

  card(title: string): Locator {
    return this.page.getByRole('region', { name: title, exact: true });
  }

  /** Fills in what is given, presses the button, and waits until the card says so. */
  async press(title: string, button: string, said: RegExp, fields: Readonly<Record<string, string>> = {}): Promise<string> {
    const card = this.card(title);
    for (const [label, value] of Object.entries(fields)) await card.getByLabel(label, { exact: true }).fill(value);
    await card.getByRole('button', { name: button, exact: true }).click();
    return shows(card.locator('.said'), said);
  }

  /** Chromium says every refused request in the console as well; those are in `problems` with their path. */
  private hear(type: string, text: string): void {
    if (!['error', 'warning'].includes(type) || /^Failed to load resource: the server responded with a status of 4\d\d /.test(text)) return;
    this.problems.add(`${type}: ${text}`);
  }
}

/** Waits until this is what is seen there; gives all of it. */
export function shows(place: Locator, pattern: RegExp, options?: { deadline: number }): Promise<string> {
  return eventually(async () => {
    const text = await place.innerText();
    if (!pattern.test(text)) throw new Error(`it says ${JSON.stringify(text)}, not ${pattern}`);
    return text;
  }, options);
}
