import { ask, button, element, keepLooking } from './page.js';

const said = 'browsers-said';
const form = document.getElementById('browsers-form');

for (const [browser, place] of [
  ['home', 'At home'],
  ['phone', 'On the phone'],
]) {
  const path = `/api/browsers/${browser}`;
  const who = element('output');
  const list = element('ul');
  const wish = () => Object.fromEntries(new FormData(form));
  const change = (fail) => async () => {
    const { ended } = await ask('POST', `${path}/password`, { password: wish().changed, fail });
    return `The password is changed, and ${ended} other sessions are ended.`;
  };
  const buttons = [
    ['Log in', async () => `Welcome, ${(await ask('POST', `${path}/login`, wish())).user}.`],
    ['Change the password', change(false)],
    ['Change it, and let that fail', change(true)],
    ['Log out', () => ask('POST', `${path}/logout`)],
  ].map(([label, work]) => button(label, said, work, { ariaLabel: `${label}, ${place}` }));
  document
    .getElementById('browsers')
    .append(element('div', {}, element('h3', {}, place), element('p', {}, who), element('p', {}, ...buttons), list));

  keepLooking(async () => {
    const { user, sessions } = await ask('GET', path);
    who.textContent = user === undefined ? 'Nobody is logged in.' : `${user} is logged in.`;
    list.replaceChildren(
      ...sessions.map(({ createdAt, lastSeenAt, ip }) =>
        element(
          'li',
          {},
          `since ${new Date(createdAt).toLocaleTimeString()}, seen ${new Date(lastSeenAt).toLocaleTimeString()} from ${ip}`,
        ),
      ),
    );
  });
}
