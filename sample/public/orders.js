import { ask, element, keepLooking, tell } from './page.js';

const list = document.getElementById('orders');
const counts = document.getElementById('counts');
const form = document.getElementById('order');

const actions = {
  async order(wish) {
    const { id, receipt } = await ask('POST', '/api/orders', wish);
    return `Order ${id} is placed; ${receipt.left} left.`;
  },
  fail: (wish) => ask('POST', '/api/orders', { ...wish, fail: true }),
  async rush(wish) {
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => ask('POST', '/api/orders', wish)));
    const placed = outcomes.filter(({ status }) => status === 'fulfilled').length;
    return `${placed} of 20 orders were placed; the others were told that it is sold out.`;
  },
};

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const { slug, quantity } = Object.fromEntries(new FormData(form));
  tell('orders-said', () => actions[event.submitter.value]({ slug, quantity: Number(quantity) }));
});

keepLooking(async () => {
  const { counts: found, latest } = await ask('GET', '/api/orders');
  counts.textContent = `${found.orders} orders in TypeORM's table, ${found.receipts} receipts in the KV.`;
  list.replaceChildren(
    ...latest
      .slice(0, 5)
      .map(({ id, slug, quantity, receipt }) =>
        element(
          'li',
          { value: id },
          `${quantity} × ${slug}, ${receipt ? `receipt over ${(receipt.total / 100).toFixed(2)} €` : 'no receipt'}`,
        ),
      ),
  );
});
