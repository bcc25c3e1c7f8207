import { describe } from 'vitest';
import { describeBadArguments } from './behaviour/bad-arguments';
import { describeBadValues } from './behaviour/bad-values';
import { describeCollections } from './behaviour/collections';
import { describeConditions } from './behaviour/conditions';
import { describeCounters } from './behaviour/counters';
import { describeExpiry } from './behaviour/expiry';
import { describeMisfits } from './behaviour/misfits';
import { describeNamespaces } from './behaviour/namespaces';
import { describeOrder } from './behaviour/order';
import { describeReading } from './behaviour/reading';
import type { MakeKv } from './behaviour/setup';
import { describeTransactions } from './behaviour/transactions';
import { describeUpdates } from './behaviour/updates';
import { describeWalks } from './behaviour/walks';
import { describeWriting } from './behaviour/writing';

/** What every `Kv` must do, wherever it keeps its entries; `makeKv` gives an empty one for each test. */
export function describeKv(name: string, makeKv: MakeKv): void {
  describe(name, () => {
    describe('reading', () => describeReading(makeKv));
    describe('writing', () => describeWriting(makeKv));
    describe('conditions', () => describeConditions(makeKv));
    describe('updates', () => describeUpdates(makeKv));
    describe('expiry', () => describeExpiry(makeKv));
    describe('counters', () => describeCounters(makeKv));
    describe('walks', () => describeWalks(makeKv));
    describe('namespaces', () => describeNamespaces(makeKv));
    describe('collections', () => describeCollections(makeKv));
    describe('values of collections that no longer fit', () => describeMisfits(makeKv));
    describe('transactions', () => describeTransactions(makeKv));
    describe('order', () => describeOrder(makeKv));
    describe('bad arguments', () => describeBadArguments(makeKv));
    describe('bad values', () => describeBadValues(makeKv));
  });
}
