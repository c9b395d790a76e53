import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineError } from '../../../../shard-worker/backends/native/engine-error.js';
import { GolddiffError } from '../../../../shared/errors.js';

const coded = (code: string, message: string): Error => Object.assign(new Error(message), { code });

test('codes of the addon become codes of ours, with the cause kept', () => {
  const cases = [
    ['CANCELLED', 'CANCELLED', 'The step was closed'],
    ['OUT_OF_MEMORY', 'LIMIT_EXCEEDED', 'A step needs more memory than this machine gives'],
    ['LIMIT_EXCEEDED', 'LIMIT_EXCEEDED', 'A step said by the engine'],
    ['ARGUMENT_INVALID', 'ARGUMENT_INVALID', 'said by the engine'],
    ['INTERNAL', 'INTERNAL', 'said by the engine'],
    ['ELSE', 'INTERNAL', 'said by the engine'],
  ] as const;
  for (const [code, ours, message] of cases) {
    const thrown = coded(code, 'said by the engine');
    const error = engineError(thrown, 'A step');
    assert.deepEqual([error.code, error.message, error.cause], [ours, message, thrown]);
  }
});

test('errors of ours pass as they are, and what is no error becomes INTERNAL', () => {
  const own = new GolddiffError('PARTITION_MISSING', 'Partition 3 is not held');
  assert.equal(engineError(own, 'A step'), own);
  assert.equal(engineError('text', 'A step').code, 'INTERNAL');
});
