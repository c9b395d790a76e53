import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeSafetensors,
  encodeSafetensors,
  headerLength,
  headerMetadata,
  layoutSafetensors,
  parseHeader,
  tensorBytes,
} from '../../../shared/dataset/safetensors.js';

const tensors = [
  { name: 'a', dtype: 'U8' as const, shape: [3], data: Uint8Array.of(1, 2, 3) },
  { name: 'b', dtype: 'F64' as const, shape: [1, 2], data: Float64Array.of(0.5, -1) },
  { name: 'empty', dtype: 'I32' as const, shape: [0, 4], data: new Int32Array(0) },
];

test('what is written is read back, with tensors of odd sizes and none', () => {
  const decoded = decodeSafetensors(encodeSafetensors(tensors), 'f');
  assert.deepEqual([...decoded.keys()], ['a', 'b', 'empty']);
  assert.deepEqual(new Uint8Array(decoded.get('a')!.data), tensors[0]!.data);
  assert.deepEqual(new Float64Array(decoded.get('b')!.data), tensors[1]!.data);
  assert.equal(decoded.get('empty')!.data.byteLength, 0);
});

test('the first tensor starts on a multiple of eight bytes and places follow without gaps', () => {
  for (let length = 1; length < 20; length++) {
    const layout = layoutSafetensors([
      { name: 'x'.repeat(length), dtype: 'U8', shape: [5] },
      { name: 'y', dtype: 'U32', shape: [2] },
    ]);
    assert.equal(layout.header.length % 8, 0);
    assert.deepEqual(
      layout.entries.map(({ offsetBytes, bytes }) => [offsetBytes - layout.header.length, bytes]),
      [
        [0, 5],
        [5, 8],
      ],
    );
    assert.equal(layout.fileBytes, layout.header.length + 13);
    assert.deepEqual(parseHeader(layout.header.subarray(8), 'f', layout.fileBytes), layout.entries);
  }
  assert.equal(tensorBytes('F32', [2, 3]), 24);
});

test('the header is the published format, byte for byte', () => {
  const bytes = encodeSafetensors([{ name: 't', dtype: 'U8', shape: [1], data: Uint8Array.of(9) }]);
  const json = '{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}';
  assert.equal(bytes.toString('latin1'), `\x38\0\0\0\0\0\0\0${json.padEnd(56, ' ')}\x09`);
});

test('metadata travels in the header and is no tensor', () => {
  const bytes = encodeSafetensors(tensors, { key: 'value' });
  assert.deepEqual(headerMetadata(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0)))), { key: 'value' });
  assert.equal(decodeSafetensors(bytes, 'f').size, 3);
  const plain = encodeSafetensors(tensors);
  assert.deepEqual(headerMetadata(plain.subarray(8, 8 + Number(plain.readBigUInt64LE(0)))), {});
});

function withHeader(header: unknown, dataBytes: number): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([prefix, json, Buffer.alloc(dataBytes)]);
}

for (const [name, contents, sentence] of [
  ['a file shorter than the prefix', Buffer.alloc(5), /an 8-byte safetensors header length for f at byte 5/],
  [
    'a header longer than the file',
    Buffer.from('ff00000000000000', 'hex'),
    /a safetensors header length that fits 8 bytes for f at byte 0 but received 255/,
  ],
  ['a header length over 2^53', Buffer.from('ffffffffffffffff7b7d', 'hex'), /received 18446744073709551615/],
  ['a header that is no JSON', withHeader('{nope}', 0), /a JSON safetensors header for f at byte 8 .*\{nope\}/],
  ['a header that is an array', withHeader('[]', 0), /a JSON object/],
  ['an entry that is no object', withHeader({ t: 5 }, 0), /an object for tensor t/],
  [
    'an unknown dtype',
    withHeader({ t: { dtype: 'BF16', shape: [1], data_offsets: [0, 2] } }, 2),
    /one of U8, I32, U32, F32, F64 as dtype of tensor t .*BF16/,
  ],
  [
    'a dtype that is a property of every object',
    withHeader({ t: { dtype: 'toString', shape: [1], data_offsets: [0, 1] } }, 1),
    /as dtype of tensor t/,
  ],
  ['a negative extent', withHeader({ t: { dtype: 'U8', shape: [-1], data_offsets: [0, 1] } }, 1), /non-negative integers as shape/],
  [
    'offsets that disagree with the shape',
    withHeader({ t: { dtype: 'U8', shape: [2], data_offsets: [0, 1] } }, 1),
    /data_offsets 2 bytes apart for tensor t/,
  ],
  ['a gap', withHeader({ t: { dtype: 'U8', shape: [1], data_offsets: [1, 2] } }, 2), /tensor t at byte \d+, after the one before it/],
  [
    'an overlap',
    withHeader({ t: { dtype: 'U8', shape: [2], data_offsets: [0, 2] }, u: { dtype: 'U8', shape: [2], data_offsets: [1, 3] } }, 3),
    /tensor u at byte \d+, after the one before it/,
  ],
  ['a file that ends early', withHeader({ t: { dtype: 'U8', shape: [4], data_offsets: [0, 4] } }, 3), /bytes in all as its header says/],
  ['a file that goes on', withHeader({ t: { dtype: 'U8', shape: [4], data_offsets: [0, 4] } }, 5), /bytes in all as its header says/],
] as const) {
  test(`${name} is refused`, () => {
    assert.throws(() => decodeSafetensors(contents, 'f'), { code: 'FILE_INVALID', message: sentence });
  });
}

test('a header length is checked against the bound of the format', () => {
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(100_000_001n);
  assert.throws(() => headerLength(prefix, 'f', 1e12), { code: 'FILE_INVALID' });
  prefix.writeBigUInt64LE(100_000_000n);
  assert.equal(headerLength(prefix, 'f', 1e12), 100_000_000);
});
