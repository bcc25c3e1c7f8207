import { ask, element, keepLooking, showIn } from './page.js';

const list = document.getElementById('figures');

keepLooking(async () => {
  const [health, text] = await Promise.all([ask('GET', '/health').catch(() => undefined), ask('GET', '/metrics')]);
  const persist = health?.details.persistpg;
  const sum = sums(text);
  const operations = sum('persistpg_operations_total');
  const statements = sum('persistpg_statements_total');
  const statementMs = sum('persistpg_statement_ms_sum') / sum('persistpg_statement_ms_count');
  const hits = sum('persistpg_cache_total', 'hit');
  const reads = hits + sum('persistpg_cache_total', 'miss');
  showFigures({
    'Health at /health': persist === undefined ? 'down' : `${persist.status}, ${Math.round(persist.responseTime)} ms`,
    'Operations answered': operations,
    'Statements sent': statements,
    'Operations a statement': statements === 0 ? '–' : (operations / statements).toFixed(2),
    'A statement takes': Number.isNaN(statementMs) ? '–' : `${statementMs.toFixed(1)} ms`,
    'Cache hits': reads === 0 ? '–' : `${Math.round((100 * hits) / reads)} % of ${reads}`,
    'Hits refused': sum('persistpg_limits_total', 'refused') + sum('persistpg_limits_total', 'remembered'),
    'Locks acquired': sum('persistpg_locks_total', 'acquired'),
    'Expired rows removed': sum('persistpg_swept_rows_total'),
  });
}, 2000);

/** Of what Prometheus reads: adds up a metric, of all labels or of those that have this value. */
function sums(text) {
  const samples = text.split('\n').map((line) => /^(\w+)(\{.*\})? (\S+)$/.exec(line));
  return (name, value = '') =>
    samples
      .filter((sample) => sample?.[1] === name && (sample[2] ?? '').includes(value && `"${value}"`))
      .reduce((sum, sample) => sum + Number(sample[3]), 0);
}

function showFigures(figures) {
  showIn(
    list,
    Object.entries(figures).map(([name, value]) => element('div', {}, element('dt', {}, name), element('dd', {}, `${value}`))),
  );
}
