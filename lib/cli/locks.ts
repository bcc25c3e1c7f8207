import type { Command } from './command';

/** Lists the locks that are held. */
export const locks: Command = {
  operands: [0, 1],
  takes: [],
  async run({ operands: [glob], options, terminal, persist }) {
    const held = await persist.locks.list(glob);
    if (options.json === true) {
      await terminal.line(JSON.stringify(held));
    } else if (held.length === 0) {
      terminal.note('No lock is held.');
    } else {
      await terminal.table([
        ['name', 'owner', 'token', 'since', 'until', 'description'],
        ...held.map(({ name, owner, fencingToken, acquiredAt, expiresAt, description = '' }) => [
          name,
          owner,
          String(fencingToken),
          acquiredAt.toISOString(),
          expiresAt.toISOString(),
          description,
        ]),
      ]);
    }
    return 0;
  },
};

/** Takes a lock away from whoever holds it. */
export const unlock: Command = {
  operands: [1, 1],
  takes: ['yes'],
  async run({ operands, options, terminal, persist }) {
    const [name] = operands as [string];
    if (options.yes !== true && !(await terminal.confirm(`Take the lock ${JSON.stringify(name)} away from whoever holds it?`))) {
      terminal.note('Nothing was released; give --yes to take the lock away.');
      return 2;
    }
    const released = await persist.locks.forceRelease(name);
    if (options.json === true) await terminal.line(JSON.stringify({ released }));
    else if (released) await terminal.line(`Released ${JSON.stringify(name)}.`);
    else terminal.note(`Nobody holds the lock ${JSON.stringify(name)}.`);
    return released ? 0 : 1;
  },
};
