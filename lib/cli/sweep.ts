import type { Command } from './command';
import { numbers } from './figures';

/** Removes what has expired from every table. */
export const sweep: Command = {
  operands: [0, 0],
  takes: [],
  async run({ options, terminal, persist, counted }) {
    const started = performance.now();
    let removed = 0;
    const show = (): void =>
      terminal.progress(`sweeping: ${numbers(removed)} rows, ${Math.round((performance.now() - started) / 1_000)} s`);
    counted.listener = (name, by) => {
      if (name === 'persistpg_swept_rows_total') removed += by;
    };
    const clock = setInterval(show, 200);
    try {
      const result = await persist.sweeper.sweep();
      if (options.json === true) {
        await terminal.line(JSON.stringify(result));
        return 0;
      }
      await terminal.table([['table', 'removed'], ...Object.entries(result).map(([table, rows]) => [table, numbers(rows)])]);
      return 0;
    } finally {
      clearInterval(clock);
      terminal.clear();
    }
  },
};
