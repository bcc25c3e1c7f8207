import { describe } from 'vitest';
import type { MakeSessions } from '../session/behaviour/setup';
import { describeBadInput } from './behaviour/bad-input';
import { describeEnds } from './behaviour/ends';
import { describeLife } from './behaviour/life';
import { describeMerging } from './behaviour/merging';
import { apps } from './behaviour/setup';
import { describeUsers } from './behaviour/users';
import type { OpenApp } from './web-app';

/** What an app must see of its sessions, on either framework and wherever they are kept. */
export function describeSessionStore(name: string, openApp: OpenApp, make: MakeSessions): void {
  const open = apps(openApp, make);
  describe(name, () => {
    describe('a session', () => describeLife(open));
    describe('requests at once', () => describeMerging(open));
    describe('a session', () => describeEnds(open));
    describe('users', () => describeUsers(open));
    describe('bad input', () => describeBadInput(open));
  });
}
