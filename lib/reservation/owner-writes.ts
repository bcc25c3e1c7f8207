/** Writes that are under way, by the owners whom they concern: who asks for all that an owner holds waits for these. */
export class OwnerWrites {
  private readonly underWay = new Map<string, Set<Promise<unknown>>>();

  /** Gives the write back. */
  add<R>(owners: readonly string[], write: Promise<R>): Promise<R> {
    for (const owner of owners) this.note(owner, write);
    return write;
  }

  /** Those of an owner. */
  by(owner: string): { earlierWrites(): Promise<void> } {
    return {
      earlierWrites: async () => {
        await Promise.allSettled(this.underWay.get(owner) ?? []);
      },
    };
  }

  private note(owner: string, write: Promise<unknown>): void {
    let writes = this.underWay.get(owner);
    if (writes === undefined) this.underWay.set(owner, (writes = new Set()));
    writes.add(write);
    const answered = (): void => {
      writes.delete(write);
      if (writes.size === 0 && this.underWay.get(owner) === writes) this.underWay.delete(owner);
    };
    void write.then(answered, answered);
  }
}
