import { ask, button, element, keepLooking } from './page.js';

const rows = document.getElementById('products');

keepLooking(async () => {
  const products = await ask('GET', '/api/products');
  rows.replaceChildren(
    ...products.map(({ slug, name, cents, views, stock }) =>
      element(
        'tr',
        {},
        element('th', { scope: 'row' }, element('a', { href: `/products/${slug}` }, name)),
        element('td', {}, `${(cents / 100).toFixed(2)} €`),
        element('td', {}, `${views}`),
        element('td', {}, `${stock}`),
        element(
          'td',
          {},
          button('Restock', 'catalog-said', () => restock(slug, name), { ariaLabel: `Restock ${name}` }),
        ),
      ),
    ),
  );
  for (const select of document.querySelectorAll('select.slugs')) {
    if (select.options.length === 0) select.append(...products.map(({ slug, name }) => new Option(name, slug)));
  }
});

async function restock(slug, name) {
  await ask('POST', `/api/products/${slug}/restock`);
  return `${name} is in stock again.`;
}
