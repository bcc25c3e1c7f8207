import { ask, button, element, keepLooking, tell } from './page.js';

const list = document.getElementById('accounts');
const form = document.getElementById('sign-up');

const actions = {
  async one(username, email) {
    await ask('POST', '/api/accounts', { username, email });
    return `Welcome, ${username}.`;
  },
  async rush(username, email) {
    const [name, place] = email.split('@');
    const all = Array.from({ length: 10 }, (_, i) => ask('POST', '/api/accounts', { username, email: `${name}+${i}@${place}` }));
    const outcomes = await Promise.allSettled(all);
    const refused = outcomes.find(({ status }) => status === 'rejected');
    const done = outcomes.filter(({ status }) => status === 'fulfilled').length;
    return `${done} of 10 signed up; the others were told: ${refused?.reason.message ?? 'nothing'}.`;
  },
};

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const { username, email } = Object.fromEntries(new FormData(form));
  tell('accounts-said', () => actions[event.submitter.value](username, email));
});

keepLooking(async () => {
  const accounts = await ask('GET', '/api/accounts');
  list.replaceChildren(
    ...accounts.slice(0, 5).map(({ id, username, email }) =>
      element(
        'li',
        {},
        `${username}, ${email} `,
        button('Leave', 'accounts-said', () => leave(id, username), { ariaLabel: `Leave as ${username}` }),
      ),
    ),
  );
});

async function leave(id, username) {
  await ask('DELETE', `/api/accounts/${id}`);
  return `${username} is free again.`;
}
