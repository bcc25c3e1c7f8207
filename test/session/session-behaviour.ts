import { describe } from 'vitest';
import { describeBadInput } from './behaviour/bad-input';
import { describeEncryption } from './behaviour/encryption';
import { describeEnds } from './behaviour/ends';
import { describeExpiry } from './behaviour/expiry';
import { describeFields } from './behaviour/fields';
import { describeLists } from './behaviour/lists';
import { describeMerging } from './behaviour/merging';
import type { MakeSessions } from './behaviour/setup';
import { describeTouches } from './behaviour/touches';
import { describeTransactions } from './behaviour/transactions';
import { describeUsers } from './behaviour/users';

/** What all `Sessions` must do, wherever they keep them; `make` gives some with nothing in them for each test. */
export function describeSessions(name: string, make: MakeSessions): void {
  describe(name, () => {
    describe('fields', () => describeFields(make));
    describe('merging', () => describeMerging(make));
    describe('the end', () => describeEnds(make));
    describe('expiry', () => describeExpiry(make));
    describe('touches', () => describeTouches(make));
    describe('users', () => describeUsers(make));
    describe('lists', () => describeLists(make));
    describe('encryption', () => describeEncryption(make));
    describe('transactions', () => describeTransactions(make));
    describe('bad input', () => describeBadInput(make));
  });
}
