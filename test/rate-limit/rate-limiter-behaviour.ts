import { describe } from 'vitest';
import { describeBadArguments } from './behaviour/bad-arguments';
import { describeBlocks } from './behaviour/blocks';
import { describeChanges } from './behaviour/changes';
import { describeFixedWindow } from './behaviour/fixed-window';
import { describeForms } from './behaviour/forms';
import { describeOtherAlgorithms } from './behaviour/other-algorithms';
import { describeSeveralRules } from './behaviour/several-rules';
import type { MakeLimiter } from './behaviour/setup';

/** What every `RateLimiter` must do, wherever it counts; `makeLimiter` gives one with nothing counted for each test. */
export function describeRateLimiter(name: string, makeLimiter: MakeLimiter): void {
  describe(name, () => {
    describe('a fixed window', () => describeFixedWindow(makeLimiter));
    describe('other algorithms', () => describeOtherAlgorithms(makeLimiter));
    describe('blocks', () => describeBlocks(makeLimiter));
    describe('several rules', () => describeSeveralRules(makeLimiter));
    describe('changes', () => describeChanges(makeLimiter));
    describe('forms', () => describeForms(makeLimiter));
    describe('bad arguments', () => describeBadArguments(makeLimiter));
  });
}
