import assert from 'node:assert/strict';
import { status } from '@grpc/grpc-js';
import { test } from 'node:test';
import { argumentError, asGolddiffError, fileError, GolddiffError, invariant, isErrorCode } from '../../shared/errors.js';

test('a refused argument has one form of sentence, its field, and INVALID_ARGUMENT', () => {
  const error = argumentError('x.shape[1]', '784', 783);
  assert.equal(error.message, 'Expected 784 for x.shape[1] but received 783');
  assert.deepEqual(
    [error.code, error.grpcStatus, error.retryable, error.data.field],
    ['ARGUMENT_INVALID', status.INVALID_ARGUMENT, false, 'x.shape[1]'],
  );
  assert.equal(argumentError('a', 'a word', 'b "c"').message, 'Expected a word for a but received "b \\"c\\""');
});

test('a long value is cut short in the sentence', () => {
  assert.ok(argumentError('a', 'less', 'y'.repeat(5000)).message.length < 200);
});

test('a bad file is named with the byte', () => {
  const error = fileError('rows.npy', 12, 'a header', 'nothing');
  assert.equal(error.message, 'Expected a header for rows.npy at byte 12 but received "nothing"');
  assert.deepEqual([error.code, error.data.file, error.data.offsetBytes], ['FILE_INVALID', 'rows.npy', 12]);
});

test('what may succeed later is retryable, and the status follows from the code', () => {
  assert.ok(new GolddiffError('QUEUE_FULL', 'full').retryable);
  assert.equal(new GolddiffError('QUEUE_FULL', 'full').grpcStatus, status.RESOURCE_EXHAUSTED);
  assert.equal(new GolddiffError('EPOCH_STALE', 'old').grpcStatus, status.FAILED_PRECONDITION);
  assert.ok(!new GolddiffError('INTERNAL', 'bug').retryable);
});

test('anything thrown becomes one of ours, with its cause', () => {
  const own = new GolddiffError('CANCELLED', 'stop');
  assert.equal(asGolddiffError(own), own);
  const cause = new TypeError('odd');
  const wrapped = asGolddiffError(cause);
  assert.deepEqual([wrapped.code, wrapped.message, wrapped.cause], ['INTERNAL', 'odd', cause]);
  assert.equal(asGolddiffError(AbortSignal.abort().reason).code, 'CANCELLED');
  assert.equal(asGolddiffError('text').message, 'text');
});

test('codes are told from other words', () => {
  assert.ok(isErrorCode('WORKER_LOST'));
  assert.ok(!isErrorCode('toString') && !isErrorCode(''));
});

test('a broken invariant is not an operating error', () => {
  assert.throws(
    () => invariant(false, 'one is two'),
    (error: unknown) => error instanceof Error && !(error instanceof GolddiffError) && /one is two/.test(error.message),
  );
  invariant(true, 'fine');
});
