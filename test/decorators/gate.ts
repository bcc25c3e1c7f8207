import { onTestFinished } from 'vitest';

/** A method that runs until it is told to end. */
export class Gate {
  private readonly opened: Promise<void>;
  open!: () => void;
  private entered!: () => void;
  readonly reached: Promise<void>;

  constructor() {
    this.opened = new Promise((resolve) => (this.open = resolve));
    this.reached = new Promise((resolve) => (this.entered = resolve));
  }

  pass(): Promise<void> {
    this.entered();
    return this.opened;
  }
}

/** A gate that opens after the test at the latest. */
export function gate(): Gate {
  const made = new Gate();
  onTestFinished(() => made.open());
  return made;
}
