import { ask, element, euros, keepLooking, onSubmit, rush, showIn } from './page.js';

const list = document.getElementById('orders');
const counts = document.getElementById('counts');
const place = ({ slug, quantity }, fail = false) => ask('POST', '/api/orders', { slug, quantity: Number(quantity), fail });

onSubmit('order', 'orders-said', {
  async order(wish) {
    const { id, receipt } = await place(wish);
    return `Order ${id} is placed; ${receipt.left} left.`;
  },
  fail: (wish) => place(wish, true),
  async rush(wish) {
    const { done, refused } = await rush(20, () => place(wish));
    return `${done.length} of 20 orders were placed${refused && `; the others were told: ${refused}`}`;
  },
});

keepLooking(async () => {
  const { counts: found, latest } = await ask('GET', '/api/orders');
  counts.textContent = `${found.orders} orders in TypeORM's table, ${found.receipts} receipts in the KV.`;
  showIn(
    list,
    latest
      .slice(0, 5)
      .map(({ id, slug, quantity, receipt }) =>
        element('li', { value: id }, `${quantity} × ${slug}, ${receipt ? `receipt over ${euros(receipt.total)}` : 'no receipt'}`),
      ),
  );
});
