import type { Batch, Removal } from './removal';
import type { SweepRun } from './sweep-run';
import type { TablePart } from './table-part';

/** Under this share of expired rows, pages are read at the idle pace. */
const littleExpired = 0.01;

/**
 * Asks for a walk, or to keep it: the page to go on from (null: where the last one stood); undefined while it is another sweeper's.
 */
export type Claim = (walk: string, page: number | null) => Promise<number | undefined>;

/** One way through a table from where the last walk stood, step by step. */
export class Walk {
  private readonly name: string;
  private readonly pages: number;
  private page: number | undefined;
  /** What `meta` has. */
  private noted: number | undefined;
  private walked = 0;
  private over = false;

  constructor(
    private readonly part: TablePart,
    private readonly removal: Removal,
    private readonly run: SweepRun,
    private readonly claim: Claim,
    private readonly removed: (rows: number) => void,
  ) {
    this.name = `${part.relation}${removal.name}`;
    this.pages = part.pages ?? 1;
  }

  /** Takes a step; tells whether there is more to walk. */
  async step(): Promise<boolean> {
    const { run, removal } = this;
    if (!removal.isReady() || !(await this.take())) return false;
    const from = this.page!;
    const to = this.part.pages === undefined ? 1 : Math.min(this.pages, from + removal.size.pages, from + run.mostPages);
    const { removed, next } = await this.sweep(from, to);
    this.walked += next - from;
    this.page = next >= this.pages ? 0 : next;
    if (this.over) return false;
    if (removed < (next - from) * this.part.rowsPerPage * littleExpired) await run.idle(next - from);
    return this.walked < this.pages;
  }

  /** Notes where it stood, for who goes on. */
  async leave(): Promise<void> {
    if (!this.run.byHand && this.page !== undefined && this.page !== this.noted) await this.claim(this.name, this.page);
  }

  private async take(): Promise<boolean> {
    if (this.run.byHand) {
      this.page ??= 0;
      return true;
    }
    const page = await this.claim(this.name, this.page ?? null);
    if (page === undefined) return false;
    // The table may have become shorter.
    this.page ??= page < this.pages ? page : 0;
    this.noted = page;
    return true;
  }

  /** Removes what has expired between two pages, in as many statements as it takes. */
  private async sweep(from: number, to: number): Promise<{ removed: number; next: number }> {
    const { part, removal, run } = this;
    let removed = 0;
    let place = `(${from},0)`;
    for (;;) {
      const rows = Math.min(run.batchSize, removal.size.rows);
      const begun = pageOf(place);
      const batch = await removal.take(part, rows, place, to);
      removed += batch.removed;
      if (batch.removed > 0) {
        this.removed(batch.removed);
        await run.work(batch.ms);
      }
      const filled = batch.taken >= rows;
      removal.size.took(batch.ms, { pages: (filled && batch.last !== undefined ? pageOf(batch.last) + 1 : to) - begun, filled });
      if (!filled) return { removed, next: to };
      const next = this.after(batch);
      if (next === undefined) return { removed, next: to };
      place = next;
      if (run.isOver || !removal.isReady()) {
        this.over = true;
        return { removed, next: pageOf(place) };
      }
    }
  }

  /** The place after the last row of a batch, so that what was left is not met again; a table without pages begins anew, unless nothing would change. */
  private after({ last, removed }: Batch): string | undefined {
    if (this.part.pages === undefined) return removed > 0 ? '(0,0)' : undefined;
    const [page, row] = last!.slice(1, -1).split(',').map(Number) as [number, number];
    return `(${page},${row + 1})`;
  }
}

function pageOf(place: string): number {
  return Number(place.slice(1, place.indexOf(',')));
}
