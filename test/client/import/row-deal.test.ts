import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { RowDeal, type DealPlan } from '../../../client/import/row-deal.js';
import type { RowBlock, RowSource } from '../../../client/import/row-source.js';
import { temporaryFolder } from '../../support/data-sets.js';
import { pattern } from './source-files.js';

const ROWS = 7;
const WIDTH = 2;
const values = pattern(ROWS * WIDTH);
const labels = Int32Array.of(0, 2, 0, 0, 2, 0, 0);

/** In blocks of three rows. */
const source: RowSource = {
  description: 'seven rows',
  defaultName: 'seven',
  shape: [1, 1, WIDTH],
  dtype: 'u8',
  rows: ROWS,
  labelled: true,
  classNames: ['zero', 'one'],
  identity: [],
  async *read(first, count): AsyncGenerator<RowBlock> {
    for (let row = first; row < first + count; row += 3) {
      const end = Math.min(row + 3, first + count);
      yield { rows: end - row, values: values.slice(row * WIDTH, end * WIDTH), labels: labels.subarray(row, end) };
    }
  },
};
const plan: DealPlan = { source, firstRow: 1, rows: 6, partitions: 2, seed: 4, width: WIDTH };

test('without a folder the hashes are those of the files that an import writes, and none is written', async () => {
  const dir = temporaryFolder();
  const entries = [];
  const told: number[] = [];
  for (const folder of [dir, undefined]) {
    const deal = new RowDeal(plan, folder);
    await deal.writer.start();
    for await (const block of deal.blocks(0)) told.push(block.rowsDealt, ...block.labels);
    entries.push(await deal.writer.finish());
    assert.deepEqual(deal.classes(), [
      { label: 0, name: 'zero', rows: 4 },
      { label: 1, name: 'one', rows: 0 },
      { label: 2, name: '2', rows: 2 },
    ]);
  }
  assert.deepEqual(told, [3, 2, 0, 0, 6, 2, 0, 0, 3, 2, 0, 0, 6, 2, 0, 0]);
  assert.deepEqual(entries[0], entries[1]);
  assert.equal((await readdir(dir)).length, 2);
});

test('a deal that goes on after another one makes the same', async () => {
  const [whole, halves] = [new RowDeal(plan, undefined), temporaryFolder()];
  await whole.writer.start();
  for await (const _ of whole.blocks(0)) continue;
  const before = new RowDeal(plan, halves);
  await before.writer.start();
  for await (const { rowsDealt } of before.blocks(0)) if (rowsDealt === 3) break;
  await before.writer.sync();
  const after = new RowDeal(plan, halves);
  await after.resume(labels.slice(1, 4));
  for await (const _ of after.blocks(3)) continue;
  assert.deepEqual([await after.writer.finish(), after.classes()], [await whole.writer.finish(), whole.classes()]);
});

test('a signal ends it', async () => {
  const deal = new RowDeal(plan, undefined);
  await deal.writer.start();
  const reading = async (): Promise<void> => {
    for await (const _ of deal.blocks(0, AbortSignal.abort(new Error('enough')))) continue;
  };
  await assert.rejects(reading(), /enough/);
});
