import { checkKey, readFlag, readOptions } from '../argument-checks';
import { durationMs } from '../duration';
import { InvalidArgumentError } from '../persist-pg.errors';
import type { ResolvedOptions } from '../resolved-options';
import { readTtl } from './lease-duration';

/** Longest name, owner and description, in bytes of UTF-8. */
const longestText = 1_024;
const mostPermits = 1_000;

const claimNames = ['ttl', 'autoRenew', 'owner', 'description'] as const;
const waitNames = [...claimNames, 'wait', 'signal'] as const;
const workNames = [...waitNames, 'atLeast'] as const;

/** What a claim is made of; an owner is made up for each attempt if none is given. */
export interface ClaimOptions {
  readonly ttl: number;
  readonly autoRenew: boolean;
  readonly owner: string | undefined;
  readonly description: string | undefined;
}

/** How long is waited for a claim. */
export interface WaitOptions extends ClaimOptions {
  readonly wait: number;
  readonly signal: AbortSignal | undefined;
}

/** How work is done under a lock. */
export interface WorkOptions extends WaitOptions {
  /** Milliseconds for which the lock is kept at least. */
  readonly atLeast: number;
}

/** Reads the options of locks; throws `InvalidArgumentError`. */
export class LockOptionReader {
  constructor(private readonly defaults: ResolvedOptions['lock']) {}

  claim(options: unknown): ClaimOptions {
    return this.readClaim(readOptions(options, claimNames));
  }

  wait(options: unknown): WaitOptions {
    return this.readWait(readOptions(options, waitNames));
  }

  work(options: unknown): WorkOptions {
    const given = readOptions(options, workNames);
    const atLeast = given.atLeast === undefined ? 0 : durationMs('atLeast', given.atLeast, { zero: true });
    return { ...this.readWait(given), atLeast };
  }

  transactionWait(options: unknown): number {
    const { wait } = readOptions(options, ['wait']);
    return wait === undefined ? this.defaults.wait : readWait(wait);
  }

  private readClaim({ ttl, autoRenew, owner, description }: Given): ClaimOptions {
    return {
      ttl: ttl === undefined ? this.defaults.ttl : readTtl(ttl),
      autoRenew: autoRenew === undefined ? true : readFlag('autoRenew', autoRenew),
      owner: owner === undefined ? undefined : checkKey(owner, longestText, 'owner'),
      description: description === undefined ? undefined : checkKey(description, longestText, 'description'),
    };
  }

  private readWait(given: Given): WaitOptions {
    const { wait, signal } = given;
    return Object.assign(this.readClaim(given), {
      wait: wait === undefined ? this.defaults.wait : readWait(wait),
      signal: readSignal(signal),
    });
  }
}

type Given = { readonly [N in (typeof workNames)[number]]?: unknown };

// By its form: a test runner may have an `AbortSignal` of its own.
function readSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined) return undefined;
  if (typeof signal !== 'object' || signal === null || !('aborted' in signal) || !('addEventListener' in signal)) {
    throw new InvalidArgumentError('signal', 'must be an AbortSignal');
  }
  return signal as AbortSignal;
}

/** Reads a wait in milliseconds; none and for ever are allowed. */
function readWait(wait: unknown): number {
  return durationMs('wait', wait, { zero: true, infinite: true });
}

/** Gives the name of a lock or a semaphore back. */
export function checkName(name: unknown, argument = 'name'): string {
  return checkKey(name, longestText, argument);
}

/** Reads how many may hold a semaphore at once. */
export function readPermits(options: unknown): number {
  const { permits } = readOptions(options, ['permits']);
  if (typeof permits !== 'number' || !Number.isInteger(permits) || permits < 1 || permits > mostPermits) {
    throw new InvalidArgumentError('permits', `must be a whole number from 1 to ${mostPermits}, not ${String(permits)}`);
  }
  return permits;
}
