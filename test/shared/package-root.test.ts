import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../../shared/package-root.js';

test('the package root holds package.json and the proto files, also seen from built code', () => {
  assert.ok(path.isAbsolute(packageRoot));
  assert.ok(existsSync(path.join(packageRoot, 'package.json')) && existsSync(path.join(packageRoot, 'proto/golddiff/v1/score.proto')));
});
