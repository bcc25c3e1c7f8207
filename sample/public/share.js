import { ask, element, keepLooking, onSubmit } from './page.js';

const list = document.getElementById('links');

onSubmit('share', 'share-said', {
  async make(wish) {
    const { path } = await ask('POST', '/api/links', wish);
    return `Made ${path}`;
  },
});

keepLooking(async () => {
  const links = await ask('GET', '/api/links');
  list.replaceChildren(
    ...links.map(({ id, slug, expiresAt, visits }) => {
      const left = element('span', { className: 'left' });
      left.dataset.ends = expiresAt;
      return element('li', {}, element('a', { href: `/s/${id}` }, `/s/${id}`), ` to ${slug}, ${visits} followed, `, left);
    }),
  );
  countDown();
});

// Only for the eye; whether a link still works is decided by PostgreSQL's clock.
function countDown() {
  for (const left of list.querySelectorAll('.left')) {
    const end = new Date(left.dataset.ends);
    const seconds = Math.round((end - Date.now()) / 1000);
    if (seconds > 3600) left.textContent = `until ${end.toLocaleString()}`;
    else left.textContent = seconds > 0 ? `${seconds} s left` : 'expired: follow it and see';
  }
}

setInterval(countDown, 1000);
