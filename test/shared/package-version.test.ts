import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packageVersion } from '../../shared/package-version.js';

test('the version is that of package.json', () => {
  assert.match(packageVersion(), /^\d+\.\d+\.\d+/);
});
