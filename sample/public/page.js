// What every section of the page uses.

/** Asks the shop; gives its answer, or throws an error with the shop's message. */
export async function ask(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  const data = text === '' ? undefined : JSON.parse(text);
  if (!answer.ok) throw new Error(data?.message ?? answer.statusText);
  return data;
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

/** Runs what a button asks for and shows its outcome in the section's line; afterwards all sections look again. */
export async function tell(said, work) {
  const line = document.getElementById(said);
  try {
    line.textContent = (await work()) ?? '';
  } catch (error) {
    line.textContent = error.message;
  }
  document.dispatchEvent(new Event('look'));
}

/** Runs `look` now, after every button, and when the page is shown again. */
export function keepLooking(look) {
  for (const event of ['look', 'visibilitychange']) document.addEventListener(event, () => document.hidden || look());
  look();
}
