import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkerLinks } from '../../coordinator/worker-links.js';

test('a worker keeps its link until its address changes or it is no longer listed', () => {
  const links = new WorkerLinks();
  const first = links.get('a', '127.0.0.1:1');
  assert.equal(links.get('a', '127.0.0.1:1'), first);
  const moved = links.get('a', '127.0.0.1:2');
  assert.notEqual(moved, first);
  links.keepOnly(new Set(['a']));
  assert.equal(links.get('a', '127.0.0.1:2'), moved);
  links.keepOnly(new Set());
  assert.notEqual(links.get('a', '127.0.0.1:2'), moved);
  links.lose('a', 'it does not answer');
  links.lose('nobody', 'it does not answer');
  links.close();
  assert.throws(() => links.get('a', '127.0.0.1:2'), { code: 'DRAINING' });
});
