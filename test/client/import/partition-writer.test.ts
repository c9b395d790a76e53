import assert from 'node:assert/strict';
import { appendFile, readFile, truncate } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { createHash } from 'node:crypto';
import { PartitionWriter } from '../../../client/import/partition-writer.js';
import { decodeSafetensors } from '../../../shared/dataset/safetensors.js';
import { temporaryFolder } from '../../support/data-sets.js';
import { pattern } from './source-files.js';

const layout = { rows: 5, partitions: 2, width: 3, dtype: 'u8' as const };
const values = pattern(15);
const dealt = [1, 0, 1, 1, 0];
const append = (writer: PartitionWriter, row: number) => writer.append(dealt[row]!, row, row * 10, values.subarray(row * 3, row * 3 + 3));

test('each partition holds its rows in source order with labels and row ids, and its hash is that of the file', async () => {
  const dir = temporaryFolder();
  const writer = new PartitionWriter(dir, layout);
  await writer.start();
  for (let row = 0; row < 5; row++) await append(writer, row);
  const entries = await writer.finish();
  assert.deepEqual(
    entries.map(({ id, rows }) => [id, rows]),
    [
      [0, 2],
      [1, 3],
    ],
  );
  for (const [id, ids] of [
    [1, 4],
    [0, 2, 3],
  ].entries()) {
    const contents = await readFile(path.join(dir, entries[id]!.file));
    assert.equal(contents.length, entries[id]!.bytes);
    assert.equal(createHash('sha256').update(contents).digest('hex'), entries[id]!.sha256);
    const tensors = decodeSafetensors(contents, 'part');
    assert.deepEqual(
      [...new Uint8Array(tensors.get('rows')!.data)],
      ids.flatMap((row) => [...values.subarray(row * 3, row * 3 + 3)]),
    );
    assert.deepEqual(
      [...new Int32Array(tensors.get('labels')!.data)],
      ids.map((row) => row * 10),
    );
    assert.deepEqual([...new Uint32Array(tensors.get('row_ids')!.data)], ids);
  }
});

test('a second writer goes on from the noted rows, cutting what was written after them', async () => {
  const [first, second] = [temporaryFolder(), temporaryFolder()];
  const whole = new PartitionWriter(first, layout);
  await whole.start();
  for (let row = 0; row < 5; row++) await append(whole, row);

  const killed = new PartitionWriter(second, layout);
  await killed.start();
  for (let row = 0; row < 3; row++) await append(killed, row);
  await killed.sync();
  await appendFile(path.join(second, 'partition-00001.safetensors'), 'half a row of later');
  const resumed = new PartitionWriter(second, layout);
  for (let row = 0; row < 3; row++) resumed.noteRow(dealt[row]!, row, row * 10);
  await resumed.resume();
  for (let row = 3; row < 5; row++) await append(resumed, row);
  assert.deepEqual(await resumed.finish(), await whole.finish());
});

test('a file shorter than its checkpoint is not gone on with', async () => {
  const dir = temporaryFolder();
  const writer = new PartitionWriter(dir, layout);
  await writer.start();
  await append(writer, 0);
  await writer.sync();
  await truncate(path.join(dir, 'partition-00001.safetensors'), 20);
  const resumed = new PartitionWriter(dir, layout);
  resumed.noteRow(1, 0, 0);
  await assert.rejects(resumed.resume(), /partition-00001\.safetensors is shorter than its checkpoint/);
});

test('rows larger than a buffer are written one by one', async () => {
  const dir = temporaryFolder();
  const width = 600_000;
  const writer = new PartitionWriter(dir, { rows: 2, partitions: 1, width, dtype: 'f32' });
  await writer.start();
  const row = pattern(width * 4);
  for (let id = 0; id < 2; id++) assert.ok(writer.append(0, id, -1, row) instanceof Promise);
  await writer.sync();
  const [entry] = await writer.finish();
  assert.equal((await readFile(path.join(dir, entry!.file))).length, entry!.bytes);
});
