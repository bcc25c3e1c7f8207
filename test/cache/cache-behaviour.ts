import { describe } from 'vitest';
import { describeBadArguments } from './behaviour/bad-arguments';
import { describeEvicting } from './behaviour/evicting';
import { describeMaking } from './behaviour/making';
import { describeReading } from './behaviour/reading';
import type { MakeCache } from './behaviour/setup';
import { describeStaleness } from './behaviour/staleness';
import { describeTransactions } from './behaviour/transactions';

/** What every cache must do, wherever it keeps its entries; `makeCache` gives an empty one for each test. */
export function describeCache(name: string, makeCache: MakeCache): void {
  describe(name, () => {
    describe('reading', () => describeReading(makeCache));
    describe('making', () => describeMaking(makeCache));
    describe('staleness', () => describeStaleness(makeCache));
    describe('evicting', () => describeEvicting(makeCache));
    describe('transactions', () => describeTransactions(makeCache));
    describe('bad arguments', () => describeBadArguments(makeCache));
  });
}
