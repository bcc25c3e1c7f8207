import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { headings } from './readme';

const root = join(__dirname, '../..');
const text = readFileSync(join(root, 'README.md'), 'utf8').replaceAll(/^```[\s\S]*?^```/gm, '');
const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
const anchors = headings(/^#+ (.*)$/).map(anchorOf);

/** As GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

it('every link to a heading has one, and only one', () => {
  const linked = targets.filter((target) => target.startsWith('#')).map((target) => target.slice(1));
  expect(linked.filter((anchor) => anchors.filter((other) => other === anchor).length !== 1)).toEqual([]);
});

it('every link to a file leads to one', () => {
  const files = targets.filter((target) => !/^(#|https:)/.test(target));
  expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
});

it('every section and every feature is in the contents', () => {
  const [, contents] = /^## Contents\n([\s\S]*?)^## /m.exec(text)!;
  const sections = headings(/^## (.*)$/).filter(
    (heading) => !['Promises', 'Contents', 'Operations', 'Guarantees and limits'].includes(heading),
  );
  expect(sections.filter((heading) => !contents!.includes(`](#${anchorOf(heading)})`))).toEqual([]);
});
