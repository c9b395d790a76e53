import assert from 'node:assert/strict';
import { test } from 'node:test';

import { golddiffVersion, versions } from '../../client/versions.js';

test('the version is that of the package', () => {
  assert.match(golddiffVersion, /^\d+\.\d+\.\d+/);
  assert.equal(versions().node, process.version);
});
