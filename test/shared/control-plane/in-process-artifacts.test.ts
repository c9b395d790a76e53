import assert from 'node:assert/strict';
import { it } from 'node:test';
import { InProcessArtifacts } from '../../../shared/control-plane/in-process-artifacts.js';

it('gives every reader bytes of its own', async () => {
  const artifacts = new InProcessArtifacts(() => 0);
  await artifacts.put('a', new Uint8Array([1, 2]));
  (await artifacts.get('a'))?.fill(9);
  assert.deepEqual(await artifacts.get('a'), new Uint8Array([1, 2]));
});
