import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Metadata, status as GrpcStatus, type ServiceError } from '@grpc/grpc-js';
import fc from 'fast-check';
import { argumentError, GolddiffError } from '../../../shared/errors.js';
import { STATUS_PARTITIONS_CHARS_MAX, STATUS_TEXT_CHARS_MAX } from '../../../shared/limits.js';
import { decodeRanges, encodeRanges, fromServiceError, toServiceError } from '../../../shared/rpc/status.js';

function detailsOf(error: ServiceError): Buffer {
  const value = error.metadata.get('grpc-status-details-bin')[0];
  assert.ok(Buffer.isBuffer(value));
  return value;
}

it('restores an error exactly, with its data', () => {
  const sent = new GolddiffError('PARTITION_MISSING', 'Partitions 3, 4, 5 and 9 have no live replica', {
    partitions: [3, 4, 5, 9],
    retryAfterMs: 1_500,
    field: 'x.shape[1]',
    file: 'partition-00003.safetensors',
    offsetBytes: 2 ** 40,
  });
  const error = toServiceError(sent);
  assert.equal(error.code, GrpcStatus.UNAVAILABLE);
  const received = fromServiceError(error);
  assert.ok(received instanceof GolddiffError);
  assert.equal(received.code, sent.code);
  assert.equal(received.message, sent.message);
  assert.deepEqual(received.data, sent.data);
});

it('writes google.rpc messages that others can read', () => {
  // Bytes by hand from google/rpc/status.proto: field 1 varint code, field 2 text, field 3 Any {1: type url, 2: value}.
  const error = toServiceError(argumentError('t', '0 to 999', 1000));
  const wire = detailsOf(error);
  assert.deepEqual([...wire.subarray(0, 2)], [0x08, GrpcStatus.INVALID_ARGUMENT]);
  assert.equal(wire[2], 0x12);
  const text = wire.toString('latin1');
  for (const part of ['type.googleapis.com/google.rpc.ErrorInfo', 'ARGUMENT_INVALID', 'golddiff', 'type.googleapis.com/google.rpc.BadRequest'])
    assert.ok(text.includes(part), part);
  assert.ok(!text.includes('RetryInfo'));
});

it('tells when to try again as RetryInfo: 500 ms are 0 s and 500,000,000 ns', () => {
  const wire = detailsOf(toServiceError(new GolddiffError('QUEUE_FULL', 'The queue is full', { retryAfterMs: 500 })));
  const at = wire.indexOf('google.rpc.RetryInfo') + 'google.rpc.RetryInfo'.length;
  // Any.value (0x12, length) of RetryInfo {1: Duration {1: seconds, 2: nanos}}; 500,000,000 = 80 ca b5 ee 01 as a varint.
  assert.deepEqual([...wire.subarray(at)], [0x12, 0x0a, 0x0a, 0x08, 0x08, 0x00, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01]);
});

it('does not tell callers the text of a bug, and keeps it as the cause', () => {
  const bug = new TypeError("Cannot read properties of undefined (reading 'secret')");
  const error = toServiceError(bug);
  assert.equal(error.code, GrpcStatus.INTERNAL);
  assert.ok(!error.message.includes('secret') && !detailsOf(error).includes('secret'));
  assert.equal(error.cause, bug);
  assert.equal(fromServiceError(error).code, 'INTERNAL');
});

it('cuts what would not fit in a trailer', () => {
  const partitions = Array.from({ length: 30_000 }, (_, i) => 2 * i);
  const error = toServiceError(new GolddiffError('PARTITION_MISSING', 'x'.repeat(10_000), { partitions, field: 'y' }));
  assert.equal(error.details.length, STATUS_TEXT_CHARS_MAX);
  assert.ok(detailsOf(error).length < 4_096, `${detailsOf(error).length} bytes`);
  const received = fromServiceError(error).data.partitions ?? [];
  assert.deepEqual(received, partitions.slice(0, received.length));
});

it('gives a multi-line message as its first line', () => {
  assert.equal(toServiceError(new GolddiffError('INTERNAL', 'One sentence\n    at stack')).message, 'One sentence');
});

it('reads statuses that are not ours by their code', () => {
  const plain = (code: GrpcStatus, details = 'as it is'): ServiceError =>
    Object.assign(new Error(`${code}: ${details}`), { code, details, metadata: new Metadata() });
  assert.equal(fromServiceError(plain(GrpcStatus.UNAVAILABLE)).code, 'WORKER_LOST');
  assert.equal(fromServiceError(plain(GrpcStatus.RESOURCE_EXHAUSTED)).code, 'LIMIT_EXCEEDED');
  assert.equal(fromServiceError(plain(GrpcStatus.DEADLINE_EXCEEDED)).code, 'DEADLINE_EXCEEDED');
  assert.equal(fromServiceError(plain(GrpcStatus.CANCELLED)).code, 'CANCELLED');
  assert.equal(fromServiceError(plain(GrpcStatus.UNKNOWN)).code, 'INTERNAL');
  assert.equal(fromServiceError(plain(GrpcStatus.NOT_FOUND)).message, 'as it is');
  const broken = plain(GrpcStatus.UNAVAILABLE);
  broken.metadata.set('grpc-status-details-bin', Buffer.from([0xff, 0xff, 0xff]));
  assert.equal(fromServiceError(broken).code, 'WORKER_LOST');
});

it('leaves our own errors alone and wraps what is neither', () => {
  const own = argumentError('t', '0 to 999', 1000);
  assert.equal(fromServiceError(own), own);
  assert.equal(fromServiceError(new Error('plain')).code, 'INTERNAL');
  assert.equal(fromServiceError('text').code, 'INTERNAL');
});

it('writes ascending numbers as ranges and reads them back', () => {
  assert.equal(encodeRanges([0, 1, 2, 5, 7, 8]), '0-2,5,7-8');
  assert.deepEqual(decodeRanges(''), []);
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(65_535), { maxLength: 200 }), (numbers) => {
      const ascending = numbers.sort((a, b) => a - b);
      assert.deepEqual(decodeRanges(encodeRanges(ascending)), ascending);
    }),
  );
  assert.ok(encodeRanges(Array.from({ length: 60_000 }, (_, i) => 2 * i)).length <= STATUS_PARTITIONS_CHARS_MAX);
});
