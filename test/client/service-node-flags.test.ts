import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { SERVICE_NODE_FLAGS } from '../../client/service-node-flags.js';
import { ServiceProcess } from '../../client/service-process.js';

/** Megabytes of the young generation, both halves of which are counted, after many objects that lived for a while. */
const FILLED = `
  let kept = [];
  for (let i = 0; i < 1e6; i++) {
    kept.push({ i });
    if (kept.length > 200_000) kept = kept.slice(100_000);
  }
  const young = require('node:v8').getHeapSpaceStatistics().find((space) => space.space_name === 'new_space');
  console.log(young.space_size / 2 ** 20);
`;

test('this Node keeps the young generation small with them, and lets it grow without', () => {
  const sizeWith = (flags: readonly string[]): number => Number(execFileSync(process.execPath, [...flags, '-e', FILLED], { encoding: 'utf8' }));
  assert.ok(sizeWith(SERVICE_NODE_FLAGS) <= 4);
  assert.ok(sizeWith([]) > 4);
});

test('services are started with them', async () => {
  const program = fileURLToPath(new URL('../support/small-service.js', import.meta.url));
  const service = await ServiceProcess.start({ name: 'small service', program, args: ['flags'], readyTimeoutMs: 20_000 });
  assert.equal(service.address, SERVICE_NODE_FLAGS[0]);
  await service.stop(10_000);
});
