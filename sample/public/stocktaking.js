import { ask, element, keepLooking } from './page.js';

const holder = document.getElementById('counting');
const list = document.getElementById('stocktaking');

async function look() {
  const { holder: counting, latest } = await ask('GET', '/api/stocktaking');
  holder.textContent = counting === undefined ? 'Nobody is counting at this moment.' : `${counting} is counting.`;
  list.replaceChildren(
    ...latest
      .slice(0, 5)
      .map(({ tick, pieces, by, token }) =>
        element('li', {}, `${new Date(tick).toLocaleTimeString()}: ${pieces} pieces, counted by ${by} under token ${token}`),
      ),
  );
}

keepLooking(look);
setInterval(() => document.hidden || look(), 500);
