import { answerTo, ask, element, euros, onSubmit, rush, showIn } from './page.js';

const list = document.getElementById('price-list');

onSubmit('prices', 'prices-said', {
  async get() {
    const start = performance.now();
    const { data, headers } = await answerTo('GET', '/api/prices');
    const took = Math.round(performance.now() - start);
    showIn(
      list,
      data.prices.map(({ name, cents }) => element('li', {}, `${name}, ${euros(cents)}`)),
    );
    return `${headers.get('x-cache')} in ${took} ms: a list made at ${timeOfDay(data.madeAt)}.`;
  },
  async raise({ slug }) {
    await ask('POST', `/api/prices/${slug}/raise`);
    return 'The price is 10 cents higher, and the kept list is gone: the next is a MISS.';
  },
  async rush() {
    const { done } = await rush(20, () => ask('GET', '/api/bestsellers'));
    const made = [...new Set(done.map(({ madeAt }) => madeAt))];
    return `${done.length} answers, worked out ${made.length === 1 ? 'once' : `${made.length} times`}, at ${made.map(timeOfDay).join(' and ')}.`;
  },
});

/** With milliseconds, to tell one from the next. */
function timeOfDay(date) {
  return new Date(date).toISOString().slice(11, -1);
}
