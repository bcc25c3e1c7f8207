import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { ValidationOrder } from '../../lib/kv/validation-order';

function setup() {
  const order = new ValidationOrder();
  const sent: string[] = [];
  const call = (name: string, keys: string[], validation?: Promise<unknown>): Promise<string> =>
    order.send(keys, validation, async () => {
      sent.push(name);
      return name;
    });
  const after = async (ms: number, error?: Error): Promise<void> => {
    await delay(ms);
    if (error) throw error;
  };
  return { order, sent, call, after };
}

it('sends at once while nothing is being validated', () => {
  const { sent, call } = setup();
  void call('a', ['k']);
  void call('b', ['k', 'l']);
  expect(sent).toEqual(['a', 'b']);
});

it('holds back what follows on the key, and nothing else', async () => {
  const { sent, call, after } = setup();
  const calls = [call('slow', ['k'], after(20)), call('reads', ['k']), call('other', ['l']), call('both', ['l', 'k']), call('late', ['l'])];
  expect(sent).toEqual(['other']);
  expect(await Promise.all(calls)).toEqual(['slow', 'reads', 'other', 'both', 'late']);
  expect(sent).toEqual(['other', 'slow', 'reads', 'both', 'late']);
});

it('a validation that fails sends nothing, and lets nothing overtake', async () => {
  const { sent, call, after } = setup();
  const calls = [call('slow', ['k'], after(20)), call('bad', ['k'], after(1, new Error('bad'))), call('reads', ['k'])];
  expect(await Promise.allSettled(calls)).toMatchObject([{ value: 'slow' }, { reason: { message: 'bad' } }, { value: 'reads' }]);
  expect(sent).toEqual(['slow', 'reads']);
});

it('a call that fails holds up nobody', async () => {
  const { order, call, after } = setup();
  const failing = order.send(['k'], after(5), () => Promise.reject(new Error('failed')));
  const next = call('next', ['k']);
  await expect(failing).rejects.toThrow('failed');
  expect(await next).toBe('next');
});

it('tells when all has been sent, and forgets it', async () => {
  const { order, sent, call, after } = setup();
  void call('slow', ['k'], after(10));
  void call('next', ['k']);
  await order.settled();
  expect(sent).toEqual(['slow', 'next']);
  await delay(1);
  void call('at once', ['k']);
  expect(sent).toEqual(['slow', 'next', 'at once']);
});
