import { writeFileSync } from 'node:fs';
import type { Visitor } from './visitor';

/** Draws the page for the README, with something to see in each card. */
export async function screenshot(visitor: Visitor, path: string): Promise<void> {
  const { page, context } = visitor;
  await page.setViewportSize({ width: 1280, height: 900 });
  await visitor.press('Login', 'Log in', /^Welcome, elza\.$/, { User: 'elza', Password: 'rye bread' });
  await visitor.press('Session', 'Put a bread in the basket', /keeps 1 in the basket/);
  await visitor.press('Accounts', 'Sign up', /^409: username is taken$/, { 'User name': 'ANNA', 'E-mail': 'other@example.com' });
  await visitor.card('Share links').getByLabel('Works for').selectOption('1m');
  await visitor.press('Share links', 'Make a link', /^Made /);
  await visitor.press('Stocktaking', 'Start a second process', /^A second process/);
  await page.locator('h1').click(); // no focus to be seen
  // A PNG is twice as large, and playwright makes no WebP.
  const devtools = await context.newCDPSession(page);
  const { data } = await devtools.send('Page.captureScreenshot', { format: 'webp', quality: 70, captureBeyondViewport: true });
  writeFileSync(path, data, 'base64');
  process.stdout.write(`written: ${path}\n`);
}
