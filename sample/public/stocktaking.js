import { ask, element, keepLooking, onSubmit, rush, showIn, timeOf } from './page.js';

const holder = document.getElementById('counting');
const processes = document.getElementById('processes');
const list = document.getElementById('counts-of-stock');

onSubmit('stocktaking', 'stocktaking-said', {
  async start() {
    await ask('POST', '/api/stocktaking/second');
    return 'A second process of the shop starts; in a few seconds it counts as well.';
  },
  async stop() {
    await ask('DELETE', '/api/stocktaking/second');
    return 'The second process has ended; the first counts on.';
  },
  async hand() {
    const { done, refused } = await rush(5, () => ask('POST', '/api/stocktaking'));
    return `${done.length} of 5 counted; the others were told: ${refused}`;
  },
});

keepLooking(async () => {
  const { here, second, holder: counting, latest } = await ask('GET', '/api/stocktaking');
  processes.textContent = `Running: ${here}${second === undefined ? '' : ` and ${second}`}.`;
  holder.textContent = counting === undefined ? 'Nobody is counting at this moment.' : `The lock is held by ${counting}.`;
  showIn(
    list,
    latest
      .slice(0, 5)
      .map(({ tick, pieces, by, token }) => element('li', {}, `${timeOf(tick)}: ${pieces} pieces, counted by ${by} under token ${token}`)),
  );
}, 500);
