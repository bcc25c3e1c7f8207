import { describe, expect, it } from 'vitest';
import { Batcher, type BatcherOptions } from '../../lib/batching/batcher';
import type { Kind, Sighting, Verdict } from '../../lib/batching/kind';
import { Space } from '../../lib/batching/space';
import type { Unit } from '../../lib/batching/unit';

/** A failure with its meaning. */
class Failure extends Error {
  constructor(readonly verdict: Verdict) {
    super(verdict);
  }
}

interface Sent {
  readonly lane: string;
  readonly kind: string;
  readonly keys: string[];
}

/** A sender whose statements are answered when the test says so. */
class FakeServer {
  readonly sent: Sent[] = [];
  readonly open: { sent: Sent; answer: (error?: Error) => void }[] = [];
  /** Answers at once unless the test holds it. */
  held = false;
  /** Keys someone else holds. */
  readonly locked = new Set<string>();
  /** Keys of which nothing can be seen. */
  readonly unseen = new Set<string>();
  fail: (sent: Sent) => Error | undefined = () => undefined;

  kind(name: string, role: 'read' | 'write', more: Partial<Kind> = {}): Kind<string, string, string> {
    return {
      name,
      role,
      send: async (units: readonly Unit<string, string>[], lane: string) => {
        const sent = { lane, kind: name, keys: units.flatMap((unit) => unit.keys) };
        this.sent.push(sent);
        if (this.held)
          await new Promise<void>((resolve, reject) => this.open.push({ sent, answer: (error) => (error ? reject(error) : resolve()) }));
        else await Promise.resolve();
        const failure = this.fail(sent);
        if (failure) throw failure;
        if (role === 'write' && sent.keys.some((key) => this.locked.has(key))) throw new Failure('locked');
        return units.map((unit) => unit.calls.map((call) => `${lane}:${call.input}`));
      },
      settle: (unit, results: string[]) => unit.calls.forEach((call, i) => call.resolve(results[i]!)),
      probe: async (units): Promise<Sighting[]> =>
        units.map((unit) =>
          unit.keys.some((key) => this.unseen.has(key)) ? 'unseen' : unit.keys.some((key) => this.locked.has(key)) ? 'locked' : 'free',
        ),
      ...more,
    };
  }

  batcher(options: Partial<BatcherOptions<string>> = {}): Batcher<string> {
    return new Batcher<string>({
      lanes: [
        { carries: 'read', port: 'r' },
        { carries: 'any', port: 'w1' },
        { carries: 'any', port: 'w2' },
      ],
      retry: { quick: 'quick', patient: 'patient' },
      verdictOf: (error) => (error instanceof Failure ? error.verdict : 'refused'),
      maxQueued: 1_000,
      maxQueuedBytes: 1_000_000,
      retryBase: 1,
      ...options,
    });
  }
}

function setup(options: Partial<BatcherOptions<string>> = {}) {
  const server = new FakeServer();
  const batcher = server.batcher(options);
  const space = new Space('s');
  const call = (kind: Kind<string, string, string>, key: string, input = key, timeout = 5_000): Promise<string> =>
    batcher.submit(kind, space, key, input, key.length, key.length, timeout);
  return { server, batcher, space, call };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('merging', () => {
  it('sends a lone call in the same turn of the event loop', async () => {
    const { server, call } = setup();
    const answer = call(server.kind('get', 'read'), 'a');
    await Promise.resolve();
    await new Promise((resolve) => process.nextTick(resolve));
    expect(server.sent).toEqual([{ lane: 'r', kind: 'get', keys: ['a'] }]);
    expect(await answer).toBe('r:a');
  });

  it('sends what is called in one turn as one statement', async () => {
    const { server, call } = setup();
    const get = server.kind('get', 'read');
    await Promise.all(['a', 'b', 'c'].map((key) => call(get, key)));
    expect(server.sent.map((sent) => sent.keys)).toEqual([['a', 'b', 'c']]);
  });

  it('merges what arrives while the lanes are busy, reads whole and writes by powers of two', async () => {
    const { server, call } = setup();
    server.held = true;
    const set = server.kind('set', 'write');
    const first = [call(set, 'x'), call(set, 'y')];
    await turn();
    const rest = Array.from({ length: 11 }, (_, i) => call(set, `k${i}`));
    await turn();
    server.held = false;
    for (const { answer } of server.open.splice(0)) answer();
    await Promise.all([...first, ...rest]);
    expect(server.sent.map((sent) => sent.keys.length).sort((a, b) => b - a)).toEqual([8, 2, 2, 1]);
  });

  it('keeps one lane for reads, and lets reads use the others only while no write waits', async () => {
    const { server, call } = setup();
    server.held = true;
    const set = server.kind('set', 'write');
    const get = server.kind('get', 'read');
    const calls = [call(set, 'a')];
    await turn();
    calls.push(call(set, 'b'));
    await turn();
    calls.push(call(get, 'c'));
    await turn();
    expect(server.sent.map((sent) => sent.lane)).toEqual(['w1', 'w2', 'r']);
    server.held = false;
    for (const { answer } of server.open.splice(0)) answer();
    await Promise.all(calls);
  });

  it('lets heavy reads use the read lane alone', async () => {
    const { server, call } = setup();
    server.held = true;
    const big = server.kind('big', 'read', { heavy: true });
    const calls = [call(big, 'a')];
    await turn();
    calls.push(call(big, 'b'));
    calls.push(call(server.kind('get', 'read'), 'c'));
    await turn();
    expect(server.sent.map(({ lane, kind }) => `${lane} ${kind}`)).toEqual(['r big', 'w1 get']);
    server.held = false;
    for (const { answer } of server.open.splice(0)) answer();
    await Promise.all(calls);
  });

  it('bounds a batch by rows and by bytes', async () => {
    const { server, batcher, space, call } = setup({ maxReads: 4, maxBytes: 10 });
    const get = server.kind('get', 'read');
    await Promise.all(Array.from({ length: 6 }, (_, i) => call(get, `${i}`)));
    expect(server.sent.map((sent) => sent.keys.length)).toEqual([4, 2]);
    const heavy = ['a', 'b', 'c'].map((key) => batcher.submit(get, space, key, key, 1, 6, 1_000));
    await Promise.all(heavy);
    expect(server.sent.slice(2).map((sent) => sent.keys.length)).toEqual([1, 1, 1]);
  });

  it('never divides a call over several keys', async () => {
    const { server, batcher, space, call } = setup();
    const set = server.kind('set', 'write');
    const mset = server.kind('mset', 'write');
    await Promise.all([call(set, 'a'), batcher.submitMany(mset, space, ['b', 'c', 'd'], 'm', 3, 3, 1_000), call(set, 'e')]);
    expect(server.sent.map((sent) => sent.keys)).toContainEqual(['b', 'c', 'd']);
  });
});

describe('order', () => {
  it('keeps the calls of a key in their order, also while their lanes answer in another', async () => {
    const { server, call } = setup();
    server.held = true;
    const set = server.kind('set', 'write');
    const get = server.kind('get', 'read');
    const done: string[] = [];
    const calls = [call(set, 'k', 'first'), call(get, 'k'), call(set, 'k', 'second')].map((promise, i) =>
      promise.then(() => done.push(`${i}`)),
    );
    await turn();
    expect(server.open.length).toBe(1);
    server.open.shift()!.answer();
    await turn();
    expect(server.open.map(({ sent }) => sent.kind)).toEqual(['get']);
    server.held = false;
    server.open.shift()!.answer();
    await Promise.all(calls);
    expect(done).toEqual(['0', '1', '2']);
    expect(server.sent.map((sent) => sent.kind)).toEqual(['set', 'get', 'set']);
  });

  it('has a key in one statement at a time', async () => {
    const { server, call } = setup();
    const kinds = [server.kind('get', 'read'), server.kind('set', 'write'), server.kind('incr', 'write')];
    const busy = new Map<string, number>();
    const worst: number[] = [];
    for (const kind of kinds) {
      const { send } = kind;
      kind.send = async (units, lane) => {
        for (const { key } of units) {
          busy.set(key, (busy.get(key) ?? 0) + 1);
          worst.push(busy.get(key)!);
        }
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
        for (const { key } of units) busy.set(key, busy.get(key)! - 1);
        return send(units, lane);
      };
    }
    await Promise.all(Array.from({ length: 300 }, (_, i) => call(kinds[i % 3]!, `k${i % 7}`)));
    expect(Math.max(...worst)).toBe(1);
  });

  it('lets a call join an unsent one ahead of it, and deals out what really happened', async () => {
    const { server, call } = setup();
    const set = server.kind('set', 'write', {
      join(ahead, joining) {
        ahead.calls.push(joining);
        return true;
      },
    });
    expect(await Promise.all([call(set, 'k', '1'), call(set, 'k', '2')])).toEqual(['w1:1', 'w1:2']);
    expect(server.sent).toHaveLength(1);
  });

  it('makes a call over several keys wait for all of them, and what follows wait for it', async () => {
    const { server, batcher, space, call } = setup();
    server.held = true;
    const set = server.kind('set', 'write');
    const calls = [call(set, 'a')];
    await turn();
    calls.push(batcher.submitMany(server.kind('mset', 'write'), space, ['a', 'b'], 'm', 2, 2, 1_000));
    calls.push(call(set, 'b'));
    await turn();
    expect(server.sent.map((sent) => sent.keys)).toEqual([['a']]);
    server.open.shift()!.answer();
    await turn();
    await turn();
    expect(server.sent.map((sent) => sent.keys)).toEqual([['a'], ['a', 'b']]);
    server.held = false;
    server.open.shift()!.answer();
    await Promise.all(calls);
    expect(server.sent.map((sent) => sent.keys)).toEqual([['a'], ['a', 'b'], ['b']]);
  });

  it('tells when the writes called before have been answered, and does not wait for later ones', async () => {
    const { server, space, call } = setup();
    server.held = true;
    const set = server.kind('set', 'write');
    const first = call(set, 'a');
    await turn();
    let passed = false;
    const barrier = space.earlierWrites().then(() => (passed = true));
    const later = call(set, 'b');
    await turn();
    expect(passed).toBe(false);
    server.open[0]!.answer();
    await barrier;
    expect(server.open).toHaveLength(2);
    server.open[1]!.answer();
    await Promise.all([first, later]);
    expect(space.idle).toBe(true);
  });

  it('tells when what was called on a key has been answered', async () => {
    const { server, batcher, space, call } = setup();
    server.held = true;
    const first = call(server.kind('set', 'write'), 'a');
    await turn();
    let settled = false;
    const waiting = batcher.settled(space, ['a', 'idle'], 1_000).then(() => (settled = true));
    await turn();
    expect(settled).toBe(false);
    server.open[0]!.answer();
    await Promise.all([first, waiting]);
    await batcher.settled(space, ['a'], 1_000);
  });
});

describe('isolation', () => {
  it('splits a batch until the bad item is alone', async () => {
    const { server, call } = setup();
    server.fail = (sent) => (sent.keys.includes('bad') ? new Failure('data') : undefined);
    const set = server.kind('set', 'write');
    const results = await Promise.allSettled(['a', 'b', 'c', 'bad', 'd', 'e', 'f', 'g'].map((key) => call(set, key)));
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1);
    expect(results[3]!.status).toBe('rejected');
  });

  it('sends the free neighbours of a locked key at once and keeps its own order', async () => {
    const { server, call } = setup();
    server.locked.add('held');
    const set = server.kind('set', 'write');
    const get = server.kind('get', 'read');
    let done = false;
    const held = call(set, 'held').then(() => (done = true));
    const behind = call(get, 'held').then((answer) => [done, answer]);
    await Promise.all(['a', 'b', 'c'].map((key) => call(set, key)));
    expect(done).toBe(false);
    server.locked.clear();
    await held;
    expect(await behind).toEqual([true, 'r:held']);
    expect(server.sent.some(({ lane }) => lane === 'patient')).toBe(true);
  });

  it('tries keys that cannot be seen one by one', async () => {
    const { server, call } = setup();
    server.locked.add('x');
    for (const key of ['x', 'a', 'b', 'c']) server.unseen.add(key);
    const set = server.kind('set', 'write');
    const held = call(set, 'x');
    await Promise.all(['a', 'b', 'c'].map((key) => call(set, key)));
    expect(server.sent.filter(({ lane }) => lane !== 'w1').every(({ keys }) => keys.length === 1)).toBe(true);
    server.locked.clear();
    await held;
  });

  it('gives up on a locked key at its timeout, and on what stands behind it', async () => {
    const { server, call } = setup();
    server.locked.add('k');
    const set = server.kind('set', 'write');
    const [first, second] = await Promise.allSettled([call(set, 'k', '1', 60), call(server.kind('get', 'read'), 'k', '2', 80)]);
    expect(first).toMatchObject({ reason: { code: 'KEY_LOCKED', key: 'k', byOwnTransaction: false } });
    expect(['KEY_LOCKED', 'OPERATION_TIMEOUT', undefined]).toContain(second.status === 'rejected' ? second.reason.code : undefined);
  });
});

describe('failures', () => {
  it('repeats what surely did not happen, and reads whose answer was lost, but no write', async () => {
    const { server, call } = setup();
    const failures: Record<string, Failure[]> = {
      a: [new Failure('again'), new Failure('unsent')],
      b: [new Failure('lost')],
      c: [new Failure('lost')],
    };
    server.fail = ({ keys }) => failures[keys[0]!]?.shift();
    const set = server.kind('set', 'write');
    const get = server.kind('get', 'read');
    expect(await call(set, 'a')).toContain('a');
    expect(await call(get, 'b')).toContain('b');
    await expect(call(set, 'c')).rejects.toMatchObject({ verdict: 'lost' });
  });

  it('stops repeating after maxRetries', async () => {
    const { server, call } = setup({ maxRetries: 2 });
    server.fail = () => new Failure('again');
    await expect(call(server.kind('set', 'write'), 'a')).rejects.toMatchObject({ verdict: 'again' });
    expect(server.sent).toHaveLength(3);
  });

  it('rejects what was not sent in time, with the last failure as cause, and never sends it', async () => {
    const { server, call } = setup();
    server.fail = () => new Failure('unsent');
    await expect(call(server.kind('set', 'write'), 'a', 'a', 40)).rejects.toMatchObject({
      code: 'OPERATION_TIMEOUT',
      cause: { verdict: 'unsent' },
    });
    const sent = server.sent.length;
    server.fail = () => undefined;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(server.sent).toHaveLength(sent);
  });

  it('rejects only the callers whose own result is bad', async () => {
    const { server, call } = setup();
    const picky = server.kind('get', 'read', {
      settle: (unit, results) => {
        if (unit.key === 'bad') throw new Error('no');
        unit.calls.forEach((each, i) => each.resolve(results[i]));
      },
    });
    const results = await Promise.allSettled(['a', 'bad', 'c'].map((key) => call(picky, key)));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('keeps the turn of a unit until the promise of its result is settled', async () => {
    const { server, call } = setup();
    let release = (): void => {};
    const slow = server.kind('big', 'read', {
      settle: (unit, results) =>
        new Promise<void>((resolve) => {
          release = () => {
            unit.calls.forEach((each, i) => each.resolve(results[i]));
            resolve();
          };
        }),
    });
    const calls = [call(slow, 'k'), call(server.kind('set', 'write'), 'k')];
    await turn();
    expect(server.sent.map((sent) => sent.kind)).toEqual(['big']);
    release();
    await Promise.all(calls);
    expect(server.sent.map((sent) => sent.kind)).toEqual(['big', 'set']);
  });
});

describe('bounds and the end', () => {
  it('refuses a call when too many or too much waits, and no other call is touched', async () => {
    const { server, batcher, space, call } = setup({ maxQueued: 3, maxQueuedBytes: 100 });
    const set = server.kind('set', 'write');
    const waiting = ['a', 'b', 'c'].map((key) => call(set, key));
    await expect(call(set, 'd')).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    await Promise.all(waiting);
    const big = batcher.submit(set, space, 'x', 'x', 90, 90, 1_000);
    await expect(batcher.submit(set, space, 'y', 'y', 20, 20, 1_000)).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    await big;
    expect(batcher.status()).toMatchObject({ queued: 0, queuedBytes: 0, quarantined: 0 });
  });

  it('flushes what is queued when it is closed, and rejects what does not leave in time', async () => {
    const { server, batcher, call } = setup();
    const set = server.kind('set', 'write');
    const flushed = call(set, 'a');
    await batcher.close(1_000);
    await flushed;
    await expect(call(set, 'b')).rejects.toMatchObject({ code: 'CLOSED' });

    const stuck = setup();
    stuck.server.held = true;
    const sent = stuck.call(stuck.server.kind('set', 'write'), 'k');
    const behind = stuck.call(stuck.server.kind('set', 'write'), 'k');
    await turn();
    void sent.catch(() => {});
    const closing = stuck.batcher.close(20);
    await expect(behind).rejects.toMatchObject({ code: 'CLOSED' });
    await closing;
    stuck.server.open[0]!.answer();
    await sent;
  });

  it('rejects what an answer still needs that came after the end', async () => {
    const { server, batcher, space, call } = setup();
    const big = server.kind('get_big', 'read');
    const get = server.kind('get', 'read', {
      settle: async (unit) => unit.calls[0]!.resolve(await batcher.submitUnordered(big, space, unit.keys, 'big', 0, 5_000)),
    });
    server.held = true;
    const sent = call(get, 'k');
    await turn();
    await batcher.close(1);
    server.open[0]!.answer();
    await expect(sent).rejects.toMatchObject({ code: 'CLOSED' });
    expect(batcher.pending).toBe(0);
  });

  it('leaves nothing behind after thousands of calls of every outcome', async () => {
    const { server, batcher, space, call } = setup({ maxQueued: 100_000, maxRetries: 2 });
    server.fail = () =>
      Math.random() < 0.05 ? new Failure((['again', 'data', 'lost', 'refused'] as const)[Math.floor(Math.random() * 4)]!) : undefined;
    const kinds = [server.kind('get', 'read'), server.kind('set', 'write'), server.kind('incr', 'write')];
    const calls: Promise<string>[] = [];
    for (let i = 0; i < 5_000; i++) {
      const key = `k${Math.floor(Math.random() * 50)}`;
      const each = i % 10 === 0 ? batcher.submitMany(kinds[1]!, space, [key, `${key}-b`], key, 1, 1, 5_000) : call(kinds[i % 3]!, key);
      each.catch(() => {});
      calls.push(each);
      if (i % 100 === 0) await turn();
    }
    await Promise.allSettled(calls);
    await turn();
    expect(space.idle).toBe(true);
    expect(batcher.pending).toBe(0);
    expect(batcher.status()).toEqual({ queued: 0, queuedBytes: 0, busyLanes: 0, lanes: 3, quarantined: 0 });
  });
});
