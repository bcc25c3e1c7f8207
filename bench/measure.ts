import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Server } from './servers';

/** Someone to measure: what each caller does again and again. */
export interface Participant {
  readonly name: string;
  readonly about: string;
  readonly server: Server;
  operation(): Promise<unknown>;
}

/** What one participant did in one round. */
export interface Round {
  /** Operations a second. */
  readonly rate: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** CPU microseconds an operation. */
  readonly nodeCpu: number;
  readonly serverCpu: number | undefined;
}

export interface Pace {
  readonly callers: number;
  readonly rounds: number;
  /** Milliseconds a round. */
  readonly duration: number;
}

/** Times of operations in milliseconds. */
export class Latencies {
  private times = new Float64Array(1 << 16);
  count = 0;

  add(ms: number): void {
    if (this.count === this.times.length) {
      const longer = new Float64Array(2 * this.count);
      longer.set(this.times);
      this.times = longer;
    }
    this.times[this.count++] = ms;
  }

  /** The time that a share (0 to 1) of the operations stayed under; NaN without any. */
  percentiles(...shares: number[]): number[] {
    const sorted = this.times.slice(0, this.count).sort();
    return shares.map((share) => sorted[Math.min(this.count - 1, Math.floor(share * this.count))] ?? NaN);
  }
}

setFlagsFromString('--expose-gc');
/** Collects garbage now, so that nobody pays for another's. */
export const collectGarbage = runInNewContext('gc') as () => void;

/** A closed loop: each caller starts its next operation when the one before is answered. One that fails ends the run. */
export async function load(
  operation: () => Promise<unknown>,
  callers: number,
  ms: number,
): Promise<{ latencies: Latencies; seconds: number }> {
  const latencies = new Latencies();
  const start = performance.now();
  const end = start + ms;
  const caller = async (): Promise<void> => {
    for (let now = performance.now(); now < end;) {
      await operation();
      const after = performance.now();
      latencies.add(after - now);
      now = after;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { latencies, seconds: (performance.now() - start) / 1_000 };
}

/** Measures all of them in turn, round by round, each round beginning with the next one. */
export async function alternate(
  participants: readonly Participant[],
  { callers, rounds, duration }: Pace,
  progress: (round: number) => void,
): Promise<Round[][]> {
  const results = participants.map((): Round[] => []);
  for (const { operation } of participants) await load(operation, callers, duration);
  for (let round = 0; round < rounds; round++) {
    progress(round + 1);
    for (let i = 0; i < participants.length; i++) {
      const turn = (round + i) % participants.length;
      results[turn]!.push(await measure(participants[turn]!, callers, duration));
    }
  }
  return results;
}

async function measure({ operation, server }: Participant, callers: number, duration: number): Promise<Round> {
  collectGarbage();
  // Unmeasured: its connections were cold while the others ran, and with the last object of a shape its compiled code was collected.
  await load(operation, callers, duration / 4);
  const nodeBefore = process.cpuUsage();
  const serverBefore = server.cpu();
  const { latencies, seconds } = await load(operation, callers, duration);
  const node = process.cpuUsage(nodeBefore);
  const serverAfter = server.cpu();
  const { count } = latencies;
  const [p50, p95, p99] = latencies.percentiles(0.5, 0.95, 0.99);
  return {
    rate: count / seconds,
    p50: p50!,
    p95: p95!,
    p99: p99!,
    nodeCpu: (node.user + node.system) / count,
    serverCpu: serverBefore === undefined || serverAfter === undefined ? undefined : (serverAfter - serverBefore) / count,
  };
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
