import { ask, element, keepLooking, tell } from './page.js';

const list = document.getElementById('links');
const form = document.getElementById('share');

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const { slug, ttl } = Object.fromEntries(new FormData(form));
  tell('share-said', async () => {
    const { path } = await ask('POST', '/api/links', { slug, ttl });
    return `Made ${path}`;
  });
});

async function look() {
  const links = await ask('GET', '/api/links');
  list.replaceChildren(
    ...links.map(({ id, slug, expiresAt, visits }) => {
      const left = element('span', { className: 'left' });
      left.dataset.ends = expiresAt;
      return element('li', {}, element('a', { href: `/s/${id}` }, `/s/${id}`), ` to ${slug}, ${visits} followed, `, left);
    }),
  );
  countDown();
}

// Only for the eye; whether a link still works is decided by PostgreSQL's clock.
function countDown() {
  for (const left of list.querySelectorAll('.left')) {
    const end = new Date(left.dataset.ends);
    const seconds = Math.round((end - Date.now()) / 1000);
    if (seconds > 3600) left.textContent = `until ${end.toLocaleString()}`;
    else left.textContent = seconds > 0 ? `${seconds} s left` : 'expired: follow it and see';
  }
}

keepLooking(look);
setInterval(countDown, 1000);
