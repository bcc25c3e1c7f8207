import type { Product } from './product.entity';

export function productPage({ name, about, cents }: Product, views: number): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>${escaped(name)}</title>
    <link rel="icon" href="/favicon.svg" />
    <link rel="stylesheet" href="/shop.css" />
  </head>
  <body>
    <main>
      <p><a href="/">The shop</a></p>
      <h1>${escaped(name)}</h1>
      <p>${escaped(about)}</p>
      <p><strong>${(cents / 100).toFixed(2)} €</strong></p>
      <p>This page was opened <output id="views">${views}</output> ${views === 1 ? 'time' : 'times'}.</p>
    </main>
  </body>
</html>
`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.codePointAt(0)};`);
}
