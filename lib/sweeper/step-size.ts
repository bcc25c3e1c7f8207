/** Milliseconds; a statement is to stay far below 200. */
const slow = 80;
const quick = 30;
const firstPages = 64;
const firstRows = 1_000;
const mostPages = 1_024;
const mostRows = 100_000;
/** What the values of a batch that is handed over may hold. */
const mostBytes = 8 * 1024 * 1024;

/** How much the next statement of a walk may do, as the last ones took their time. */
export class StepSize {
  pages = firstPages;
  rows: number;
  /** What `rows` may grow to. */
  private most = mostRows;

  constructor(rows = firstRows) {
    this.rows = rows;
  }

  /** Learns from a statement: more pages while little is expired, fewer when much is, less of both when it took long. */
  took(ms: number, { pages, filled }: { pages: number; filled: boolean }): void {
    if (ms > slow) {
      this.pages = Math.max(1, Math.floor(this.pages / 4));
      this.rows = Math.max(1, Math.floor(this.rows / 4));
    } else if (filled) {
      this.pages = Math.max(1, pages);
      if (ms < quick) this.rows = Math.min(this.most, this.rows * 2);
    } else if (ms < quick) {
      this.pages = Math.min(mostPages, this.pages * 2);
    }
  }

  /** Keeps within what a batch of values may hold, if values go on being as large as these were. */
  held(rows: number, bytes: number): void {
    if (rows === 0) return;
    this.most = Math.min(mostRows, Math.max(1, Math.floor((mostBytes * rows) / Math.max(1, bytes))));
    this.rows = Math.min(this.rows, this.most);
  }

  /** After a handler has failed: fewer entries at once, so that what it fails on is soon by itself. */
  failed(): void {
    this.rows = Math.max(1, Math.floor(this.rows / 4));
  }
}
