import { afterAll, describe } from 'vitest';
import { hasPgBouncer, PgBouncer } from '../support/pgbouncer';
import { describeChanging } from './behaviour/changing';
import { describeOwners } from './behaviour/owners';
import { describeSeveral } from './behaviour/several';
import { describeTaking } from './behaviour/taking';
import { describeTransactions } from './behaviour/transactions';
import { reservationsOnPostgres } from './on-postgres';

// There the settings of a session travel inside each statement, and the app's own transactions go through the pooler too.
describe.runIf(hasPgBouncer())('behind a PgBouncer in transaction mode', () => {
  let pooler: PgBouncer | undefined;
  const through = async (url: string): Promise<string> => {
    pooler ??= await PgBouncer.start(url);
    return pooler.url;
  };
  afterAll(() => pooler?.[Symbol.asyncDispose]());

  const make = reservationsOnPostgres(through, { reservation: { durability: 'async' } });
  describe('taking a value', () => describeTaking(make));
  describe('taking several', () => describeSeveral(make));
  describe('changing what is held', () => describeChanging(make));
  describe('all of an owner', () => describeOwners(make));
  describe('transactions', () => describeTransactions(make));
});
