import { ask, tell } from './page.js';

const form = document.getElementById('login');

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const { user, password } = Object.fromEntries(new FormData(form));
  tell('login-said', async () => {
    if (event.submitter.value === 'guess') return guess(user);
    await ask('POST', '/api/login', { user, password });
    return `Welcome, ${user}.`;
  });
});

/** All at once: what each was told, and how often. */
async function guess(user) {
  const tries = ['1234', 'qwerty', 'letmein', 'butter', 'rye', 'bread', 'secret', 'sesame', 'amber', 'wool'];
  const outcomes = await Promise.allSettled(tries.map((password) => ask('POST', '/api/login', { user, password })));
  const counts = new Map();
  for (const { reason } of outcomes) counts.set(reason.message, (counts.get(reason.message) ?? 0) + 1);
  return [...counts].map(([message, count]) => `${count} x ${message}`).join(' · ');
}
