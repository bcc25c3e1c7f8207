import { ask, button, element, keepLooking, onSubmit, showIn } from './page.js';

const said = 'session-said';
const who = document.getElementById('session-user');
const basket = document.getElementById('basket');
const list = document.getElementById('devices');

const changePassword = async (password, fail) => {
  const { ended } = await ask('POST', '/api/session/password', { password, fail });
  return `The password is changed, and ${ended} other sessions are ended.`;
};

onSubmit('session', said, {
  async basket() {
    const { basket: loaves } = await ask('POST', '/api/session/basket');
    return `The session keeps ${loaves} in the basket.`;
  },
  change: ({ password }) => changePassword(password, false),
  fail: ({ password }) => changePassword(password, true),
  async out() {
    await ask('DELETE', '/api/session');
    return 'This session is over.';
  },
  async everywhere() {
    const { ended } = await ask('DELETE', '/api/session/everywhere');
    return `${ended} sessions are ended, this one too.`;
  },
});

keepLooking(async () => {
  const { user, basket: loaves, devices } = await ask('GET', '/api/session');
  who.textContent = user === undefined ? 'Nobody is logged in here.' : `${user} is logged in here.`;
  basket.textContent = `In the basket: ${loaves}.`;
  showIn(
    list,
    devices.map(({ id, createdAt, ip, userAgent }) =>
      element(
        'li',
        {},
        `${browserOf(userAgent)} at ${ip}, since ${new Date(createdAt).toLocaleTimeString()} `,
        button('End', said, () => end(id), { className: 'small', ariaLabel: `End the session since ${createdAt}` }),
      ),
    ),
  );
}, 1000);

async function end(id) {
  await ask('DELETE', `/api/session/devices/${id}`);
  return 'That session is over.';
}

function browserOf(userAgent = '') {
  return /(Firefox|Edg|OPR|Chrome|Safari)\/\d+/.exec(userAgent)?.[0].replace('/', ' ') ?? 'A browser';
}
