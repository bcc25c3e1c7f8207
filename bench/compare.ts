import type { Bench } from './bench';
import { ours } from './contenders/persist-pg';
import { alternate, median, type Participant, type Round } from './measure';
import type { Limit, Row, Section } from './report';

/** What is asked of a comparison. */
export interface Comparison<C> {
  readonly title: string;
  readonly callers: number;
  /** What every caller does. */
  readonly operation: (contender: C) => () => Promise<unknown>;
  /** Our rate over that of a contender, by its name; the others are shown without a demand. */
  readonly atLeast?: Readonly<Record<string, number>>;
  readonly rounds?: number;
  /** Milliseconds a round. */
  readonly duration?: number;
  readonly notes?: readonly string[];
}

/** Contenders beside each other, ours first. */
export async function compare<C extends Omit<Participant, 'operation'>>(
  bench: Bench,
  contenders: readonly C[],
  comparison: Comparison<C>,
): Promise<Section> {
  const { title, callers, operation, atLeast = {}, notes = [] } = comparison;
  const { rounds = bench.rounds, duration = bench.duration } = comparison;
  const participants = contenders.map((contender): Participant => {
    const { name, about, server } = contender;
    return { name, about, server, operation: operation(contender) };
  });
  bench.progress(`${title}: warming up`);
  const results = await alternate(participants, { callers, rounds, duration }, (round) => {
    if (round === 1 || round % 5 === 0) bench.progress(`${title}: round ${round} of ${rounds}`);
  });
  const own = results[participants.findIndex(({ name }) => name === ours)]!;
  const rows = participants.map((participant, i) => rowOf(participant, results[i]!, own, atLeast[participant.name]));
  return { title, callers, rows, limits: [], notes };
}

/** Medians of the rounds; the ratio is that of the medians, its spread that of the rounds. */
function rowOf({ name, about }: Participant, rounds: readonly Round[], own: readonly Round[], atLeast: number | undefined): Row {
  const middle = (of: (round: Round) => number): number => median(rounds.map(of));
  const rates = rounds.map(({ rate }) => rate);
  const ratios = rounds.map(({ rate }, i) => own[i]!.rate / rate);
  const ratio = median(own.map(({ rate }) => rate)) / median(rates);
  return {
    name,
    about,
    rate: median(rates),
    rateSpread: [Math.min(...rates), Math.max(...rates)],
    p50: middle(({ p50 }) => p50),
    p95: middle(({ p95 }) => p95),
    p99: middle(({ p99 }) => p99),
    nodeCpu: middle(({ nodeCpu }) => nodeCpu),
    serverCpu: rounds.some(({ serverCpu }) => serverCpu === undefined) ? undefined : middle(({ serverCpu }) => serverCpu!),
    ...(rounds === own ? {} : { ratio, ratioSpread: [Math.min(...ratios), Math.max(...ratios)] }),
    ...(atLeast === undefined ? {} : { atLeast, ok: ratio >= atLeast }),
  };
}

/** A demand on a measured number. */
export function atMost(what: string, measured: number, most: number, unit: string): Limit {
  return { what, measured, most, unit, ok: measured <= most };
}

/** A demand on a measured number. */
export function atLeast(what: string, measured: number, least: number, unit: string): Limit {
  return { what, measured, least, unit, ok: measured >= least };
}
