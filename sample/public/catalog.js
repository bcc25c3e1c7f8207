import { ask, button, element, euros, keepLooking, rush, showIn } from './page.js';

const rows = document.getElementById('products');
const said = 'catalog-said';

keepLooking(async () => {
  const products = await ask('GET', '/api/products');
  showIn(
    rows,
    products.map(({ slug, name, cents, views, stock }) =>
      element(
        'tr',
        {},
        element('th', { scope: 'row' }, element('a', { href: `/products/${slug}` }, name)),
        element('td', {}, euros(cents)),
        element('td', {}, `${views}`),
        element('td', {}, `${stock}`),
        element(
          'td',
          {},
          element(
            'div',
            { className: 'actions' },
            button('20 views', said, () => view(slug, name), { ariaLabel: `20 visitors open ${name}` }),
            button('Restock', said, () => restock(slug, name), { ariaLabel: `Restock ${name}` }),
          ),
        ),
      ),
    ),
  );
  for (const select of document.querySelectorAll('select.slugs')) {
    if (select.options.length === 0) select.append(...products.map(({ slug, name }) => new Option(name, slug)));
  }
});

async function view(slug, name) {
  const { done } = await rush(20, () => ask('GET', `/products/${slug}`));
  return `${done.length} visitors have opened ${name} at once, and each was counted.`;
}

async function restock(slug, name) {
  await ask('POST', `/api/products/${slug}/restock`);
  return `${name} is in stock again.`;
}
