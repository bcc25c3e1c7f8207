/**
 * Keeps the order of calls where validating takes time: what is called on the key meanwhile waits. While nothing is
 * being validated, all is sent in the turn of the event loop in which it was called.
 */
export class ValidationOrder {
  /** The last in line at each name: resolves, and never rejects, when that call and those before it have been sent. */
  private readonly lines = new Map<string, Promise<unknown>>();

  /** Sends now, or after what waits at the names and after `validation`; if that rejects, nothing is sent. */
  send<R>(names: readonly string[], validation: Promise<unknown> | undefined, send: () => Promise<R>): Promise<R> {
    if (validation === undefined && this.lines.size === 0) return send();
    const before = names.flatMap((name) => this.lines.get(name) ?? []);
    if (validation === undefined && before.length === 0) return send();
    // All at once: a validation that fails before its turn comes must not be an unhandled rejection.
    const sent = Promise.all([validation, ...before]).then(() => ({ answer: send() }));
    const gone = Promise.allSettled([sent, ...before]);
    for (const name of names) this.lines.set(name, gone);
    void gone.then(() => {
      for (const name of names) if (this.lines.get(name) === gone) this.lines.delete(name);
    });
    return sent.then(({ answer }) => answer);
  }

  /** Resolves when all that waits now has been sent. */
  async settled(): Promise<void> {
    if (this.lines.size > 0) await Promise.all(this.lines.values());
  }
}
