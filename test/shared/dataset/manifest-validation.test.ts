import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { contentHashOf, parseManifest, partitionFileName } from '../../../shared/dataset/manifest-validation.js';

const hash = (text: string) => createHash('sha256').update(text).digest('hex');
const partitions = [
  { id: 0, file: 'partition-00000.safetensors', rows: 2, bytes: 300, sha256: hash('a') },
  { id: 1, file: 'partition-00001.safetensors', rows: 3, bytes: 300, sha256: hash('b') },
];
const good = {
  version: 1,
  name: 'digits',
  shape: [1, 28, 28],
  dtype: 'u8',
  valueMap: { scale: 1 / 127.5, offset: -1 },
  rows: 5,
  classes: [
    { label: 0, name: 'zero', rows: 5 },
    { label: 3, name: 'three', rows: 0 },
  ],
  seed: 0,
  source: 'a test',
  partitions,
  statistics: { file: 'statistics.safetensors', sha256: hash('c') },
  contentHash: contentHashOf(partitions),
};

test('a good manifest is read as it is', () => {
  assert.deepEqual(parseManifest(JSON.stringify(good), 'manifest.json'), good);
  assert.deepEqual(parseManifest(JSON.stringify({ ...good, classes: [] }), 'manifest.json').classes, []);
});

test('the content hash is over the hashes in order', () => {
  assert.equal(contentHashOf(partitions), hash(partitions[0]!.sha256 + partitions[1]!.sha256));
  assert.notEqual(contentHashOf(partitions), contentHashOf(partitions.toReversed()));
  assert.equal(partitionFileName(7), 'partition-00007.safetensors');
});

const first = partitions[0]!;
const second = partitions[1]!;
for (const [field, change] of [
  ['version', { version: 2 }],
  ['name', { name: '../up' }],
  ['name', { name: '' }],
  ['shape', { shape: [28, 28] }],
  ['shape[0]', { shape: [0, 28, 28] }],
  ['shape[2]', { shape: [1, 28, 28.5] }],
  ['shape', { shape: [3, 1024, 1025] }],
  ['dtype', { dtype: 'f64' }],
  ['valueMap.scale', { valueMap: { scale: 1, offset: -1 } }],
  ['valueMap.offset', { dtype: 'f32', valueMap: { scale: 1, offset: -1 } }],
  ['rows', { rows: 0 }],
  ['classes[1].label', { classes: good.classes.map((entry) => ({ ...entry, label: 3 })) }],
  ['classes', { classes: good.classes.slice(1) }],
  ['classes[0].name', { classes: [{ label: 0, rows: 5 }] }],
  ['seed', { seed: -1 }],
  ['source', { source: null }],
  ['partitions', { partitions: [] }],
  ['partitions', { partitions: [first] }],
  ['partitions', { partitions: 'none' }],
  ['partitions[1].id', { partitions: [first, { ...second, id: 5 }] }],
  ['partitions[0].file', { partitions: [{ ...first, file: '../../etc/passwd' }, second] }],
  ['partitions[1].file', { partitions: [first, { ...second, file: first.file }] }],
  ['partitions[1].rows', { partitions: [first, { ...second, rows: 0 }] }],
  ['partitions[0].bytes', { partitions: [{ ...first, bytes: '300' }, second] }],
  ['partitions[0].sha256', { partitions: [{ ...first, sha256: 'abc' }, second] }],
  ['statistics', { statistics: undefined }],
  ['statistics.sha256', { statistics: { file: 'statistics.safetensors' } }],
  ['contentHash', { contentHash: hash('other') }],
] as const) {
  test(`${JSON.stringify(change).slice(0, 60)} is refused as ${field}`, () => {
    assert.throws(
      () => parseManifest(JSON.stringify({ ...good, ...change }), 'D/manifest.json'),
      (thrown: { code: string; message: string; data: { file: string; field: string } }) => {
        assert.equal(thrown.code, 'FILE_INVALID');
        assert.deepEqual(thrown.data, { file: 'D/manifest.json', field });
        assert.ok(thrown.message.includes(` for ${field} in D/manifest.json but received `), thrown.message);
        return true;
      },
    );
  });
}

test('what is no JSON, and no object, is refused by the name of the file', () => {
  assert.throws(() => parseManifest('{"version": 1', 'D/manifest.json'), { code: 'FILE_INVALID', message: /a JSON document for D\/manifest\.json/ });
  assert.throws(() => parseManifest('[1]', 'D/manifest.json'), { code: 'FILE_INVALID', message: /an object for D\/manifest\.json/ });
});
