import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseIsa } from '../../../../shard-worker/backends/native/choose-isa.js';
import type { GolddiffError } from '../../../../shared/errors.js';

test('auto takes the best that the machine supports', () => {
  assert.equal(chooseIsa('auto', ['avx512', 'avx2', 'scalar']), 'avx512');
  assert.equal(chooseIsa('auto', ['scalar']), 'scalar');
});

test('a named instruction set is taken where the machine supports it', () => {
  assert.equal(chooseIsa('avx2', ['avx512', 'avx2', 'scalar']), 'avx2');
});

test('a named instruction set that the machine lacks is refused in one sentence that lists those it has', () => {
  assert.throws(
    () => chooseIsa('avx512', ['avx2', 'scalar']),
    (error: GolddiffError) => {
      assert.equal(error.code, 'BACKEND_MISSING');
      assert.equal(error.message, 'Expected --isa (or GOLDDIFF_ISA) to be one of avx2, scalar on this machine, or auto, but received "avx512"');
      return true;
    },
  );
});
