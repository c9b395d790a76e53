import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { npyElementBytes, npyHeader, parseNpyHeader, readNpy, readNpyHeader, writeNpy } from '../../../shared/dataset/npy.js';
import { temporaryFolder } from '../../support/data-sets.js';

test('arrays of each dtype and number of dimensions come back bit for bit', async () => {
  const file = path.join(temporaryFolder(), 'a.npy');
  for (const make of [
    (n: number) => new Float32Array(n).map(Math.random),
    (n: number) => new Float64Array(n).map(Math.random),
    (n: number) => new Uint8Array(n).fill(7),
  ]) {
    for (const shape of [[], [1], [5], [2, 3], [2, 3, 4, 5], [0, 4]]) {
      const data = make(shape.reduce((product, extent) => product * extent, 1));
      await writeNpy(file, data, shape);
      assert.deepEqual(await readNpy(file), { shape, data });
    }
  }
});

test('the header is what numpy writes', () => {
  assert.equal(
    npyHeader('f4', [3, 4]).toString('latin1'),
    `\x93NUMPY\x01\x00\x76\x00${"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }".padEnd(117, ' ')}\n`,
  );
  assert.match(npyHeader('u1', [3]).toString('latin1'), /'\|u1', 'fortran_order': False, 'shape': \(3,\), \}/);
  assert.match(npyHeader('f8', []).toString('latin1'), /'shape': \(\), \}/);
});

test('every header that is written is read, and values start on a multiple of 64 bytes', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 1000 }), { maxLength: 5 }), fc.constantFrom('f4', 'f8', 'u1'), (shape, dtype) => {
      const header = npyHeader(dtype, shape);
      const fileBytes = header.length + shape.reduce((product, extent) => product * extent, npyElementBytes(dtype));
      fc.pre(Number.isSafeInteger(fileBytes));
      assert.deepEqual(parseNpyHeader(header, 'f', fileBytes, [dtype]), { dtype, shape, offsetBytes: header.length });
      assert.equal(header.length % 64, 0);
    }),
    { numRuns: 200, seed: 1 },
  );
});

test('versions 2 and 3, other spacing and another order of keys are read', async () => {
  const file = path.join(temporaryFolder(), 'a.npy');
  for (const version of [2, 3]) {
    const dict = Buffer.from("{'shape':(2,),'fortran_order':False,'descr':'<f4'}\n");
    const prefix = Buffer.from([0x93, ...Buffer.from('NUMPY'), version, 0, dict.length, 0, 0, 0]);
    await writeFile(file, Buffer.concat([prefix, dict, Buffer.from(Float32Array.of(1, 2).buffer)]));
    assert.deepEqual(await readNpy(file), { shape: [2], data: Float32Array.of(1, 2) });
  }
});

test('a Fortran-order header of one dimension is the same as C order', () => {
  const header = Buffer.from(npyHeader('f4', [2]).toString('latin1').replace('False', 'True '), 'latin1');
  assert.deepEqual(parseNpyHeader(header, 'f', header.length + 8, ['f4']).shape, [2]);
});

const replaced = (from: string, to: string) =>
  Buffer.concat([Buffer.from(npyHeader('f4', [2, 2]).toString('latin1').replace(from, to), 'latin1'), Buffer.alloc(16)]);
for (const [name, contents, sentence] of [
  ['an empty file', Buffer.alloc(0), /the magic bytes of an \.npy file for .* at byte 0/],
  ['another format', Buffer.from('PK\x03\x04 this is an npz file'), /the magic bytes/],
  ['version 4', replaced('NUMPY\x01', 'NUMPY\x04'), /an \.npy version from 1 to 3 for .* at byte 6 but received 4/],
  ['a header longer than the file', replaced('\x76', '\xff'), /a header of at most 134 bytes for .* at byte 8 but received 255/],
  ['big endian', replaced('<f4', '>f4'), /little-endian f4, f8, u1 \(numpy: a\.astype\('<f4'\)\) .*">f4"/],
  ['integers', replaced('<f4', '<i8'), /little-endian f4, f8, u1 .*"<i8"/],
  ['half floats', replaced('<f4', '<f2'), /"<f2"/],
  ['fields', replaced("'<f4'", "[('a', '<f4')]"), /little-endian f4, f8, u1/],
  ['Fortran order', replaced('False', 'True '), /C order \(numpy: np\.ascontiguousarray\(a\)\) .*"Fortran order"/],
  ['no shape', replaced("'shape'", "'shoop'"), /a header with 'descr', 'fortran_order' and 'shape'/],
  ['a negative extent', replaced('(2, 2)', '(-2,2)'), /a header with/],
  ['a huge shape', replaced('(2, 2)', '(9999999999, 9999999999)'), /a shape of less than 2\^53 bytes/],
  ['values cut short', replaced('(2, 2)', '(2, 3)'), /152 bytes in all for shape \[2, 3\] of f4 for .* at byte 144 but received 144/],
  ['values too many', replaced('(2, 2)', '(2, 1)'), /136 bytes in all for shape \[2, 1\] of f4 for .* at byte 136 but received 144/],
] as const) {
  test(`${name} is refused by one sentence with file and byte`, async () => {
    const file = path.join(temporaryFolder(), 'a.npy');
    await writeFile(file, contents);
    await assert.rejects(readNpy(file), { code: 'FILE_INVALID', message: sentence });
  });
}

test('a missing file and a folder are refused by name', async () => {
  const dir = temporaryFolder();
  await assert.rejects(readNpy(path.join(dir, 'a.npy')), { code: 'FILE_INVALID', message: /a readable \.npy file .*"ENOENT"/ });
  await assert.rejects(readNpyHeader(dir), { code: 'FILE_INVALID' });
});

test('a write that fails leaves nothing and says where', async () => {
  const dir = temporaryFolder();
  await assert.rejects(writeNpy(path.join(dir, 'none', 'a.npy'), new Float32Array(1), [1]), {
    code: 'FILE_INVALID',
    message: /a path that can be written/,
  });
  await writeNpy(path.join(dir, 'a.npy'), new Float32Array(1), [1]);
  await assert.rejects(writeNpy(dir, new Float32Array(1), [1]));
  assert.deepEqual(await readdir(dir), ['a.npy']);
  assert.deepEqual(
    (await readdir(path.dirname(dir))).filter((name) => name.startsWith(`${path.basename(dir)}.`)),
    [],
  );
});
