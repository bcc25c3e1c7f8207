import { expect, it } from 'vitest';
import { hour, open, type MakeSessions } from './setup';

export function describeLists(make: MakeSessions): void {
  it('give 1 000 sessions in pages, each once', async () => {
    const { sessions } = await open(make);
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => sessions.save(`s${i}`, { i })));
    expect(await sessions.count()).toBe(1_000);
    const ids: string[] = [];
    let after: string | undefined;
    const sizes: number[] = [];
    do {
      const page = await sessions.list({ limit: 300, ...(after !== undefined && { after }) });
      ids.push(...page.map(({ id }) => id));
      sizes.push(page.length);
      after = page.at(-1)?.id;
    } while (after !== undefined);
    expect(sizes).toEqual([300, 300, 300, 100, 0]);
    expect(new Set(ids).size).toBe(1_000);
    expect(ids).toEqual(ids.toSorted());
    expect(await sessions.list()).toHaveLength(100);
    expect(await sessions.clear()).toBe(1_000);
  });

  it('wait for what was called before', async () => {
    const { sessions } = await open(make);
    const saves = Array.from({ length: 10 }, (_, i) => sessions.save(`s${i}`, {}));
    expect(await sessions.count()).toBe(10);
    const ended = sessions.destroy('s0');
    expect(await sessions.list()).toHaveLength(9);
    const more = sessions.save('s10', {});
    expect(await sessions.clear()).toBe(10);
    await Promise.all([...saves, ended, more]);
  });

  it('leave out what is dead or expired', async () => {
    const { sessions, age, at } = await open(make);
    await sessions.save('long', {});
    await sessions.save('short', {}, { expiresAt: at(hour) });
    await sessions.save('dead', {});
    await sessions.destroy('dead');
    expect(await sessions.list()).toHaveLength(2);
    await age(hour);
    expect(await sessions.list()).toHaveLength(1);
    expect(await sessions.count()).toBe(1);
  });

  it('say nothing of the session id or the data', async () => {
    const { sessions } = await open(make);
    await sessions.save('the id itself', { secret: 'data' }, { ip: '::1' });
    const [info] = await sessions.list();
    expect(Object.keys(info!).toSorted()).toEqual(['createdAt', 'expiresAt', 'id', 'ip', 'lastSeenAt', 'userAgent', 'userId']);
    expect(JSON.stringify(info)).not.toMatch(/the id itself|data|secret/);
  });
}
