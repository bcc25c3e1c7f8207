/** Letters of the algorithms of a rule set, in the order of the row. */
export type Shape = string;

/** The present time in microseconds of the epoch. */
export const clock = `(date_part('epoch', statement_timestamp()) * 1000000)::bigint`;

/** The time of the row: that of the statement, but it never goes back. */
export const now = 'greatest(t.at, excluded.at)';

/** Up to here a count of four bytes times a window fits into eight. */
const wideWindow = 4_000_000_000;

/** Where the stored row `t` has a column of a rule. */
export function storedColumn(name: string, place: number): string {
  return place === 0 ? `t.${name}` : `t.more_${name}[${place}]`;
}

/** What statements on a row give: key, granted, at, and of each rule what is stored of it. */
export function returnedColumns(shape: Shape): string[] {
  return ['t.key', 't.granted', 't.at', ...[...shape].flatMap((algorithm, place) => storedColumns(algorithm, place))];
}

function storedColumns(algorithm: string, place: number): string[] {
  const names = algorithm === 's' ? ['used', 'ends', 'blocked_until', 'before'] : ['used', 'ends', 'blocked_until'];
  return names.map((name) => storedColumn(name, place));
}

/** Where a statement finds what a rule says. */
export interface RuleParameters {
  readonly limit: string;
  /** The window, or the interval of a token bucket. */
  readonly span: string;
  /** Null for none. */
  readonly block: string;
}

/**
 * The count of one rule of the stored row `t` as SQL, brought up to `now`: the same as `countAt()` in `rule-count.ts`. Only
 * immutable expressions, so that they may stand in `do update`.
 */
export class RuleColumns {
  readonly used: string;
  /** Of a sliding window; for other algorithms it is not stored. */
  readonly before: string | undefined;
  readonly ends: string;
  /** What the rule would let through. */
  readonly room: string;
  private readonly blockedUntil: string;

  constructor(
    place: number,
    algorithm: string,
    private readonly rule: RuleParameters,
  ) {
    const { limit, span } = rule;
    const stored = (name: string): string => storedColumn(name, place);
    const held = `(${stored('used')} + t.granted)`;
    const ends = stored('ends');
    this.blockedUntil = stored('blocked_until');
    // Null, for no block, is not false: a block that is over leaves nothing of what was counted.
    const stays = `(${this.blockedUntil} > ${now}) is not false`;
    let taken: string;
    switch (algorithm) {
      case 's': {
        const before = stored('before');
        const same = `${ends} > ${now} and ${stays} and ${held} + ${before} > 0`;
        const next = `${ends} + ${span} > ${now} and ${stays} and ${held} > 0`;
        this.used = taken = `case when ${same} then ${held} else 0 end`;
        this.before = `case when ${same} then ${before} when ${next} then ${held} else 0 end`;
        this.ends = `case when ${same} then ${ends} when ${next} then ${ends} + ${span} else ${now} + ${span} end`;
        const weight = `case when ${same} then ${share(before, `(${ends} - ${now})`, span)} when ${next} then ${share(held, `(${ends} + ${span} - ${now})`, span)} else 0 end`;
        taken = `(${this.used}) + (${weight})`;
        break;
      }
      case 't': {
        const back = `case when ${ends} > ${now} then 0 else (${now} - ${ends}) / ${span} + 1 end`;
        this.used = taken = `case when ${stays} then greatest(0, ${held} - (${back})) else 0 end`;
        this.ends = `case when ${stays} and ${held} > (${back}) then ${ends} + (${back}) * ${span} else ${now} + ${span} end`;
        break;
      }
      default: {
        const same = `${ends} > ${now} and ${stays} and ${held} > 0`;
        this.used = taken = `case when ${same} then ${held} else 0 end`;
        this.ends = `case when ${same} then ${ends} else ${now} + ${span} end`;
      }
    }
    this.room = `case when ${this.blockedUntil} > ${now} then 0 else ${limit} - (${taken}) end`;
  }

  /** The end of the block that runs, or of the one that begins if `refused`. */
  blocked(refused: string): string {
    const { block } = this.rule;
    return `case when ${this.blockedUntil} > ${now} then ${this.blockedUntil} when ${block} is not null and ${refused} then ${now} + ${block} end`;
  }
}

/** `count x part / whole`, rounded up, exactly. */
function share(count: string, part: string, whole: string): string {
  return `case when ${whole} <= ${wideWindow} then (${count} * ${part} + ${whole} - 1) / ${whole} else div(${count}::numeric * ${part} + ${whole} - 1, ${whole})::bigint end`;
}
