import { describe } from 'vitest';
import { describeBadArguments } from './behaviour/bad-arguments';
import { describeChanging } from './behaviour/changing';
import { describeNormalForms } from './behaviour/normal-forms';
import { describeNumbers } from './behaviour/numbers';
import { describeOwners } from './behaviour/owners';
import type { MakeReservations } from './behaviour/setup';
import { describeSeveral } from './behaviour/several';
import { describeTaking } from './behaviour/taking';
import { describeTransactions } from './behaviour/transactions';

/** What `Reservations` must do, wherever they are kept; `make` gives empty ones for each test. */
export function describeReservations(name: string, make: MakeReservations): void {
  describe(name, () => {
    describe('taking a value', () => describeTaking(make));
    describe('taking several', () => describeSeveral(make));
    describe('changing what is held', () => describeChanging(make));
    describe('all of an owner', () => describeOwners(make));
    describe('normal forms', () => describeNormalForms(make));
    describe('transactions', () => describeTransactions(make));
    describe('numbers', () => describeNumbers(make));
    describe('bad arguments', () => describeBadArguments(make));
  });
}
