import { ask, keepLooking, onSubmit, rush } from './page.js';

const left = document.getElementById('tries');

const form = onSubmit('login', 'login-said', {
  async login({ user, password }) {
    await ask('POST', '/api/login', { user, password });
    return `Welcome, ${user}.`;
  },
  async guess({ user }) {
    const guesses = ['1234', 'qwerty', 'letmein', 'butter', 'rye', 'bread', 'secret', 'sesame', 'amber', 'wool'];
    const { refused } = await rush(guesses.length, (i) => ask('POST', '/api/login', { user, password: guesses[i] }));
    return refused;
  },
});

keepLooking(async () => {
  const { user } = Object.fromEntries(new FormData(form));
  if (user === '') return;
  const { remaining, limit, retryAfterMs } = await ask('GET', `/api/login/${encodeURIComponent(user)}/tries`);
  const wait = retryAfterMs > 0 ? `; the next in ${Math.ceil(retryAfterMs / 1000)} s` : '';
  left.textContent = `${remaining} of ${limit} tries left for ${user}${wait}.`;
}, 1000);
