import { compareBytes } from '../database/byte-order';
import { InvalidArgumentError } from '../persist-pg.errors';
import type { ResolvedRule } from './rate-limit-rule';

/** Longest text of a rule set: it is part of the primary key, of which PostgreSQL takes 2 704 bytes. */
const maxTextLength = 2_000;

/** Milliseconds that a row is kept longer than it says anything: its time may be ahead of the statement that touches it last. */
const slack = 1_000;

/** A rule as it is counted; times in whole microseconds. */
export interface CountedRule {
  readonly name: string;
  readonly limit: number;
  readonly window: number;
  readonly algorithm: ResolvedRule['algorithm'];
  /** Time in which a token bucket gets one unit back: `window / limit`, rounded up, so that never more than `limit` come back in a window. */
  readonly interval: number;
  /** Time of a block; 0 for none. */
  readonly block: number;
}

/** What is asked of a rule set. */
export interface Hit {
  readonly rules: RuleSet;
  readonly cost: number;
}

/** The rules of a call as they are counted: together, in one row of a key. */
export class RuleSet {
  /** In the order of the row. */
  readonly rules: readonly CountedRule[];
  /** Where in the row each rule of the call is, in the order given. */
  readonly places: readonly number[];
  /** First letters of the algorithms, in the order of the row. */
  readonly shape: string;
  /** Names, algorithms and windows: what tells the rows of a key apart. */
  readonly text: string;
  /** The same with limits and blocks: calls of one signature are judged alike. */
  readonly signature: string;
  /** Whether the row must survive a crash. */
  readonly durable: boolean;
  /** Milliseconds after which a row that is not touched says nothing any more. */
  readonly life: number;
  /** A hit of cost 1: one object for all of them. */
  readonly hit: Hit = { rules: this, cost: 1 };
  /** The smallest limit: a hit that costs more could never pass. */
  readonly maxCost: number;

  constructor(given: readonly ResolvedRule[]) {
    // The order in which a caller names the rules makes no other budget; by algorithm first, so that few statements serve all sets.
    const sorted =
      given.length === 1 ? given : given.toSorted((a, b) => compareBytes(a.algorithm, b.algorithm) || compareBytes(a.name, b.name));
    this.rules = sorted.map(counted);
    this.places = given.map((rule) => sorted.indexOf(rule));
    this.shape = this.rules.map(({ algorithm }) => algorithm[0]).join('');
    this.text = this.rules.map(({ name, algorithm, window }) => `${escaped(name)}:${algorithm[0]}:${window / 1_000}`).join(',');
    if (this.text.length * 3 > maxTextLength && Buffer.byteLength(this.text) > maxTextLength) {
      throw new InvalidArgumentError('rule.name', `is too long: the names of the rules of a call may have ${maxTextLength} bytes together`);
    }
    this.durable = given.some(({ durable }) => durable);
    this.signature = `${this.durable ? 'durable ' : ''}${this.text} ${this.rules.map(({ limit, block }) => `${limit}:${block}`).join(',')}`;
    this.life = Math.ceil(Math.max(...this.rules.map(lifeOf)) / 1_000) + slack;
    this.maxCost = Math.min(...this.rules.map(({ limit }) => limit));
  }
}

/** The names of the rules of a set, from its text, in the order of the row. */
export function namesIn(text: string): string[] {
  return text.split(',').map((rule) => unescaped(rule.slice(0, rule.indexOf(':'))));
}

/** First letters of the algorithms of a set, from its text, in the order of the row. */
export function shapeOf(text: string): string {
  return text
    .split(',')
    .map((rule) => rule[rule.indexOf(':') + 1])
    .join('');
}

/** What time is counted in: the window, or the interval of a token bucket. */
export function spanOf({ algorithm, window, interval }: CountedRule): number {
  return algorithm === 'token-bucket' ? interval : window;
}

function counted({ name, limit, window, algorithm, blockDuration = 0 }: ResolvedRule): CountedRule {
  const micros = Math.round(window * 1_000);
  return { name, limit, window: micros, algorithm, interval: Math.ceil(micros / limit), block: Math.round(blockDuration * 1_000) };
}

function lifeOf({ algorithm, window, limit, interval, block }: CountedRule): number {
  const whole = { 'fixed-window': window, 'sliding-window': 2 * window, 'token-bucket': limit * interval };
  return Math.max(whole[algorithm], block);
}

function escaped(name: string): string {
  return name.replace(/[%,:]/g, (character) => `%${character.charCodeAt(0).toString(16)}`);
}

function unescaped(name: string): string {
  return name.replace(/%(..)/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}
