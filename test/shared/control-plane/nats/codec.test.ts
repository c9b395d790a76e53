import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { decodeDocument, encodeDocument, keyToken } from '../../../../shared/control-plane/nats/codec.js';

it('makes of every text a token of a key, and different ones of different texts', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), fc.string({ minLength: 1, unit: 'grapheme' }), (a, b) => {
      assert.match(keyToken(a), /^[-=\w]+$/);
      assert.equal(keyToken(a) === keyToken(b), a === b);
    }),
  );
  assert.equal(keyToken('worker-0.a b'), 'worker-0=2ea=20b');
});

it('keeps small documents readable and large ones small', () => {
  const small = { a: [1, 2], b: 'ü' };
  assert.equal(Buffer.from(encodeDocument(small)).toString(), JSON.stringify(small));
  assert.deepEqual(decodeDocument(encodeDocument(small)), small);
  const partitions = Array.from({ length: 65_536 }, (_, partition) => ({ partition, replicas: ['worker-10', 'worker-11', 'worker-12'] }));
  const bytes = encodeDocument({ partitions });
  assert.ok(bytes.length < 1_000_000, `${bytes.length} bytes fit a message`);
  assert.deepEqual(decodeDocument(bytes), { partitions });
});
