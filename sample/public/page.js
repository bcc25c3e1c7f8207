// What every section of the page uses.

/** Asks the shop; gives its answer and the headers, or throws an error with the status and the shop's message. */
export async function answerTo(method, path, body) {
  const answer = await fetch(path, {
    method,
    cache: 'no-store', // else the browser asks for one address once at a time
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  const isJson = answer.headers.get('content-type')?.includes('json');
  const data = isJson && text !== '' ? JSON.parse(text) : text;
  if (!answer.ok) throw new Error(`${answer.status}: ${data.message ?? answer.statusText}`);
  return { data, headers: answer.headers };
}

/** Asks the shop; gives its answer alone. */
export async function ask(method, path, body) {
  return (await answerTo(method, path, body)).data;
}

/** Asks so many times at once; tells how many went well, and what the others were told. */
export async function rush(times, work) {
  const outcomes = await Promise.allSettled(Array.from({ length: times }, (_, i) => work(i)));
  const done = outcomes.filter(({ status }) => status === 'fulfilled').map(({ value }) => value);
  const refusals = new Map();
  for (const { reason } of outcomes.filter(({ status }) => status === 'rejected')) {
    refusals.set(reason.message, (refusals.get(reason.message) ?? 0) + 1);
  }
  return { done, refused: [...refusals].map(([message, count]) => `${count} × ${message}`).join(' · ') };
}

/** Makes an element; texts are shown as they are. */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Makes a button that does one thing and shows what came of it in the section's line. */
export function button(label, said, work, properties = {}) {
  return element('button', { type: 'button', onclick: () => tell(said, work), ...properties }, label);
}

/** Gives a form's buttons what they do: by their values, with what is in the form. */
export function onSubmit(id, said, actions) {
  const form = document.getElementById(id);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    tell(said, () => actions[event.submitter.value](Object.fromEntries(new FormData(form))));
  });
  return form;
}

/** Runs what a button asks for and shows its outcome in the section's line; afterwards all sections look again. */
export async function tell(said, work) {
  const line = document.getElementById(said);
  line.textContent = '…';
  try {
    line.textContent = (await work()) || 'Done.';
    line.dataset.outcome = 'done';
  } catch (error) {
    line.textContent = error.message;
    line.dataset.outcome = 'refused';
  }
  document.dispatchEvent(new Event('look'));
}

/** Runs `look` now, after every button, when the page is shown again, and if asked every so often; never twice at once, and not while the shop is away. */
export function keepLooking(look, every) {
  let looking = false;
  const lookOnce = async () => {
    if (looking || document.hidden) return;
    looking = true;
    await look().catch((error) => console.warn(error.message));
    looking = false;
  };
  for (const event of ['look', 'visibilitychange']) document.addEventListener(event, lookOnce);
  if (every !== undefined) setInterval(lookOnce, every);
  lookOnce();
}

export function euros(cents) {
  return `${(cents / 100).toFixed(2)} €`;
}

export function timeOf(date) {
  return new Date(date).toLocaleTimeString();
}

/** Replaces what a list shows, and leaves what has not changed alone: so the keyboard's focus stays where it is. */
export function showIn(list, items) {
  if (list.childElementCount === items.length && items.every((item, i) => item.isEqualNode(list.children[i]))) return;
  list.replaceChildren(...items);
}
