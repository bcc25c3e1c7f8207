import { ask, button, element, keepLooking, showIn, tell } from './page.js';

const said = 'tenants-said';

for (const tenant of ['riga', 'tallinn']) {
  const list = element('ul');
  const text = element('input', { name: 'text', required: true, maxLength: 200 });
  const form = element('form', {}, element('label', {}, `Note of ${tenant} `, text), element('button', {}, 'Add'));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    tell(said, async () => {
      await ask('PUT', `/api/tenants/${tenant}/notes/${Date.now().toString(36)}`, { text: text.value });
      text.value = '';
      return `Kept for ${tenant}.`;
    });
  });
  const clear = button(`Clear ${tenant}`, said, async () => {
    const { removed } = await ask('DELETE', `/api/tenants/${tenant}/notes`);
    return `${removed} removed from ${tenant}, none from anyone else.`;
  });
  document.getElementById('tenants').append(element('div', { id: tenant }, element('h3', {}, tenant), form, list, clear));

  keepLooking(async () => {
    const notes = await ask('GET', `/api/tenants/${tenant}/notes`);
    showIn(
      list,
      Object.values(notes).map((note) => element('li', {}, note)),
    );
  });
}
