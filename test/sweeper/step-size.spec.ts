import { describe, expect, it } from 'vitest';
import { StepSize } from '../../lib/sweeper/step-size';
import { SweepRun } from '../../lib/sweeper/sweep-run';

describe('the size of a step', () => {
  it('grows while little is expired, within bounds', () => {
    const size = new StepSize();
    const before = size.pages;
    for (let i = 0; i < 20; i++) size.took(5, { pages: size.pages, filled: false });
    expect(size.pages).toBeGreaterThan(before);
    expect(size.pages).toBeLessThanOrEqual(1_024);
  });

  it('is what a batch needed when much is', () => {
    const size = new StepSize();
    size.took(5, { pages: 12, filled: true });
    expect(size.pages).toBe(12);
    for (let i = 0; i < 40; i++) size.took(5, { pages: 12, filled: true });
    expect(size.rows).toBeLessThanOrEqual(100_000);
  });

  it('shrinks before a statement takes 200 ms, in pages and rows, never to nothing', () => {
    const size = new StepSize();
    // What takes 0.1 ms a page from the disk, and 20 us a row.
    const time = (): number => Math.min(size.pages * 0.1, 500) + Math.min(size.rows, 5_000) * 0.02;
    const times: number[] = [];
    for (let i = 0; i < 100; i++) {
      const ms = time();
      times.push(ms);
      size.took(ms, { pages: size.pages, filled: i % 3 === 0 });
    }
    expect(Math.max(...times)).toBeLessThan(200);
    for (let i = 0; i < 50; i++) size.took(10_000, { pages: 1, filled: true });
    expect(size).toMatchObject({ pages: 1, rows: 1 });
  });

  it('keeps the values of a batch within 8 MiB, and has fewer at once after a failure', () => {
    const size = new StepSize(1_000);
    size.held(16, 16 * 1024 * 1024);
    expect(size.rows).toBe(8);
    size.took(1, { pages: 1, filled: true });
    expect(size.rows).toBe(8);
    size.failed();
    expect(size.rows).toBe(2);
    for (let i = 0; i < 5; i++) size.failed();
    expect(size.rows).toBe(1);
  });
});

describe('a run', () => {
  const settings = { interval: 60_000, batchSize: 1_000, budget: undefined, idlePagesPerSecond: 1_000 };

  it('counts only the time in which something was removed, a fifth of the interval by default', () => {
    const run = new SweepRun(settings, false);
    expect(run.isOver).toBe(false);
    void run.work(11_999);
    expect(run.isOver).toBe(false);
    void run.work(1);
    expect(run.isOver).toBe(true);
    const tight = new SweepRun({ ...settings, budget: 100 }, false);
    void tight.work(100);
    expect(tight.isOver).toBe(true);
    tight.stop();
    run.stop();
  });

  it('spreads the work over the interval, and wakes when it is stopped', async () => {
    const since = performance.now();
    const run = new SweepRun({ ...settings, interval: 10_000, budget: 1_000 }, false);
    await run.work(10);
    await run.work(10);
    expect(performance.now() - since).toBeGreaterThan(190);
    const resting = run.work(900);
    run.stop();
    await resting;
    const unbound = new SweepRun({ ...settings, interval: 100, budget: 1e9 }, false);
    await unbound.work(90);
  });

  it('by hand is bounded by nothing, but can be stopped', async () => {
    const run = new SweepRun({ ...settings, idlePagesPerSecond: 1 }, true);
    await run.work(1e9);
    expect(run.isOver).toBe(false);
    expect(run.mostPages).toBe(Infinity);
    await run.idle(1_000_000);
    run.stop();
    expect(run.isOver).toBe(true);
  });

  it('reads idle pages at their pace, also where several walk at once, and wakes when it is stopped', async () => {
    const run = new SweepRun({ ...settings, idlePagesPerSecond: 1_000 }, false);
    const since = performance.now();
    await Promise.all([run.idle(100), run.idle(100)]);
    expect(performance.now() - since).toBeGreaterThan(190);
    const long = new SweepRun({ ...settings, idlePagesPerSecond: 1 }, false);
    const waiting = long.idle(50);
    long.stop();
    await waiting;
  });
});
