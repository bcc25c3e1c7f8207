/** PostgreSQL takes payloads of less than 8 000 bytes. */
const longestPayload = 7_900;
/** Characters of items of one topic that may be on their way at once. */
const most = 1_048_576;

/** What one payload says. */
export interface Notice {
  /** Id of the instance that has published it. */
  readonly from: string;
  readonly topic: string;
  /** None: there were items that did not fit. */
  readonly items: readonly string[];
}

/** Items of one topic on their way, each once. An item too large for a payload, or too many, make it "all": no items are named. */
export class NoticeItems {
  private readonly texts = new Set<string>();
  private readonly start: string;
  private length = 0;
  private all = false;

  constructor(from: string, topic: string) {
    this.start = `[${json(from)},${json(topic)}`;
  }

  /** Items that are named. */
  get size(): number {
    return this.texts.size;
  }

  add(item: string): void {
    this.addText(`,${json(item)}`);
  }

  /** Adds those of the same topic that came later. */
  addAll(later: NoticeItems): void {
    if (later.all) this.makeAll();
    for (const text of later.texts) this.addText(text);
  }

  /** As few payloads as they fit into. */
  payloads(): string[] {
    if (this.all) return [`${this.start}]`];
    const payloads: string[] = [];
    let payload = this.start;
    for (const text of this.texts) {
      if (payload.length + text.length >= longestPayload) {
        payloads.push(`${payload}]`);
        payload = this.start;
      }
      payload += text;
    }
    if (payload !== this.start) payloads.push(`${payload}]`);
    return payloads;
  }

  private addText(text: string): void {
    if (this.all || this.texts.has(text)) return;
    this.length += text.length;
    if (this.start.length + text.length >= longestPayload || this.length > most) this.makeAll();
    else this.texts.add(text);
  }

  private makeAll(): void {
    this.all = true;
    this.texts.clear();
  }
}

/** Undefined if it is none of ours. */
export function readNotice(payload: string): Notice | undefined {
  try {
    const [from, topic, ...items] = JSON.parse(payload) as string[];
    return typeof from === 'string' && typeof topic === 'string' ? { from, topic, items } : undefined;
  } catch {
    return undefined;
  }
}

// ASCII alone: one character is one byte, and it passes whatever the encoding of the database.
function json(text: string): string {
  return JSON.stringify(text).replace(/[\u007f-\uffff]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
