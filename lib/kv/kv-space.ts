import { Space } from '../batching/space';

/** A namespace of the table: the lines of its keys, and what is known of its values. */
export class KvSpace extends Space {
  /** Bytes a value is expected to have: what was seen lately, rather too much than too little. */
  expectedBytes = 256;

  /** Learns from a value that came or went. */
  saw(bytes: number): void {
    this.expectedBytes = bytes > this.expectedBytes ? bytes : this.expectedBytes + (bytes - this.expectedBytes) / 64;
  }
}

const most = 10_000;

/** The namespaces in use; idle ones are forgotten when there are many, as with one for each tenant. */
export class KvSpaces {
  private readonly byName = new Map<string, KvSpace>();

  of(name: string): KvSpace {
    let space = this.byName.get(name);
    if (space === undefined) {
      if (this.byName.size >= most) this.forgetIdle();
      this.byName.set(name, (space = new KvSpace(name)));
    }
    return space;
  }

  /** Those of a name and, if asked, inside it. */
  *inside(name: string, nested: boolean): Iterable<KvSpace> {
    if (!nested) {
      yield this.of(name);
      return;
    }
    const prefix = name === '' ? '' : `${name}:`;
    for (const space of this.byName.values()) if (space.name === name || space.name.startsWith(prefix)) yield space;
  }

  private forgetIdle(): void {
    for (const [name, space] of this.byName) if (space.idle) this.byName.delete(name);
  }
}
