import { ask, button, element, keepLooking, onSubmit, rush } from './page.js';

const list = document.getElementById('accounts');
const said = 'accounts-said';

onSubmit('sign-up', said, {
  async one(wish) {
    await ask('POST', '/api/accounts', wish);
    return `Welcome, ${wish.username}.`;
  },
  async rush({ username, email }) {
    const [name, place] = email.split('@');
    const { done, refused } = await rush(10, (i) => ask('POST', '/api/accounts', { username, email: `${name}+${i}@${place}` }));
    return `${done.length} of 10 signed up; the others were told: ${refused}`;
  },
});

keepLooking(async () => {
  const accounts = await ask('GET', '/api/accounts');
  list.replaceChildren(
    ...accounts.slice(0, 5).map(({ id, username, email }) =>
      element(
        'li',
        {},
        `${username}, ${email} `,
        button('Leave', said, () => leave(id, username), { className: 'small', ariaLabel: `Leave as ${username}` }),
      ),
    ),
  );
});

async function leave(id, username) {
  await ask('DELETE', `/api/accounts/${id}`);
  return `${username} is free again.`;
}
