import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { init } from 'echarts';
import { readResults, resultsFolder, type Row } from './report';

/** The tables that are drawn, by their titles; those of scenarios that never ran are left out. */
const drawn = {
  'get, callers: 100': 'get',
  'set (unlogged), callers: 100': 'set, unlogged',
  'set (durable), callers: 100': 'set, durable',
  'incr on 100 keys (unlogged), callers: 100': 'incr, unlogged',
  '80 % get, 20 % set (unlogged), callers: 100': '80/20, unlogged',
};

/** Contenders with what the legend says of them. */
const contenders = {
  'nestjs-persistpg': 'nestjs-persistpg',
  ioredis: 'ioredis (Redis without a disk)',
  'bare pg': 'bare pg, prepared, pool of 10',
  '@keyv/postgres': '@keyv/postgres',
};
const colors = ['#2f6f4f', '#c2503f', '#6a89b0', '#b9b9b9'];

/** One SVG of operations a second at 100 callers, from all results there are. */
export function writeChart(quick: boolean): string | undefined {
  const sections = readResults(quick).flatMap((result) => result.sections);
  const shown = Object.entries(drawn).flatMap(([title, label]) => {
    const section = sections.find((each) => each.title === title);
    return section === undefined ? [] : [{ label, rows: section.rows }];
  });
  if (shown.length === 0) return undefined;
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: 900, height: 420 });
  chart.setOption({
    animation: false,
    backgroundColor: '#fff',
    color: colors,
    title: { text: 'Operations a second, 100 concurrent callers, one Node process', left: 'center', textStyle: { fontSize: 15 } },
    legend: { bottom: 0 },
    grid: { left: 60, right: 20, top: 60, bottom: 60 },
    xAxis: { type: 'category', data: shown.map(({ label }) => label) },
    yAxis: { type: 'value', axisLabel: { formatter: (rate: number) => `${rate / 1_000} k` } },
    series: Object.entries(contenders).map(([name, legend]) => ({
      name: legend,
      type: 'bar',
      barGap: '10%',
      data: shown.map(({ rows }) => rateOf(rows, name)),
      label: { show: true, position: 'top', fontSize: 9, formatter: ({ value }: { value: unknown }) => thousands(value) },
    })),
  });
  const file = join(resultsFolder(quick), 'chart.svg');
  writeFileSync(file, `${chart.renderToSVGString()}\n`);
  chart.dispose();
  return file;
}

function rateOf(rows: readonly Row[], name: string): number | null {
  return rows.find((row) => row.name === name)?.rate ?? null;
}

function thousands(value: unknown): string {
  return typeof value === 'number' ? `${(value / 1_000).toFixed(value < 10_000 ? 1 : 0)} k` : '';
}
