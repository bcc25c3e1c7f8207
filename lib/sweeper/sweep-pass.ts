import type { Instrumentation } from '../instrumentation';
import { isPersistPgError } from '../error-checks';
import { HandedOverRemoval, PlainRemoval, type Removal, type SweeperPorts } from './removal';
import type { SweepResult } from './sweeper';
import type { SweepRun } from './sweep-run';
import type { SweptTable } from './swept-table';
import { TablePart } from './table-part';
import { Walk, type Claim } from './walk';

type Counts = { -readonly [name in keyof SweepResult]: number };

/** What a table that is over its bounds may take of the time, before anything is walked. */
const trimShare = 0.5;

/** One pass over the tables: step by step in turn, so that a large one keeps no small one waiting. */
export class SweepPass {
  /** By namespace: what a handler's batches have taught outlasts a pass. */
  private readonly handedOver = new Map<string, HandedOverRemoval>();

  constructor(
    private readonly tables: readonly SweptTable[],
    private readonly ports: SweeperPorts,
    private readonly claim: Claim,
    private readonly instrumentation: Instrumentation,
  ) {}

  /** Adds what was removed to the counts; gives the first failure of a table, which keeps the others from nothing. */
  async run(run: SweepRun, counts: Counts): Promise<Error | undefined> {
    const failures: Error[] = [];
    const plain: Walk[] = [];
    const byNamespace = new Map<string, Walk[]>();
    for (const table of this.tables) {
      if (run.isStopped || table.never === true || (table.byHand === true && !run.byHand)) continue;
      const removed = (rows: number): void => this.count(table, rows, counts);
      await attempt(failures, async () => {
        await this.trim(table, run, removed);
        const walk = (part: TablePart, removal: Removal): Walk => new Walk(part, removal, run, this.claim, removed);
        const parts = await TablePart.of(table.relation, this.ports.query);
        const removal = new PlainRemoval(table, this.ports);
        plain.push(...parts.map((part) => walk(part, removal)));
        for (const handedOver of this.handedOverOf(table)) {
          byNamespace.set(
            handedOver.name,
            parts.map((part) => walk(part, handedOver)),
          );
        }
      });
    }
    // A handler that takes its time keeps only its own namespace waiting.
    const walks = [plain, ...byNamespace.values()].map((each) => inTurn(each, run, failures));
    const ended = await Promise.allSettled(walks);
    const broken = ended.find((each) => each.status === 'rejected');
    return (broken?.reason as Error | undefined) ?? failures[0];
  }

  private async trim(table: SweptTable, run: SweepRun, removed: (rows: number) => void): Promise<void> {
    if (table.trim === undefined) return;
    if (!run.byHand && (await this.claim(`${table.relation} bounds`, 0)) === undefined) return;
    const query = async (text: string, values: unknown[]): Promise<(string | null)[][]> => {
      const { rows, ms } = await this.ports.timed(text, values);
      await run.work(ms);
      return rows;
    };
    removed(await table.trim(query, run.batchSize, () => !run.isSpent(trimShare)));
  }

  private handedOverOf({ handedOver }: SweptTable): HandedOverRemoval[] {
    return (handedOver?.handlers.namespaces ?? []).map((namespace) => {
      const known = this.handedOver.get(namespace) ?? new HandedOverRemoval(namespace, handedOver!, this.ports);
      this.handedOver.set(namespace, known);
      return known;
    });
  }

  private count({ name }: SweptTable, rows: number, counts: Counts): void {
    if (rows === 0) return;
    counts[name] += rows;
    this.instrumentation.count('persistpg_swept_rows_total', rows, { table: name });
  }
}

/** Whole rounds, so that every table gets a step in every run, however long the first one takes. */
async function inTurn(walks: readonly Walk[], run: SweepRun, failures: Error[]): Promise<void> {
  let rest = [...walks];
  while (rest.length > 0 && !run.isOver) {
    const going: Walk[] = [];
    for (const walk of rest) {
      if (run.isStopped) break;
      await attempt(failures, async () => {
        if (await walk.step()) going.push(walk);
      });
    }
    rest = going;
  }
  for (const walk of walks) await attempt(failures, () => walk.leave());
}

/** Notes what is wrong with one table; what is wrong with the connection ends the pass. */
async function attempt(failures: Error[], work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isPersistPgError(error, 'DATABASE') || error.sqlState === undefined || /^(08|53|57)/.test(error.sqlState)) throw error;
    failures.push(error);
  }
}
