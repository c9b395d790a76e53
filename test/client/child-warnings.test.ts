import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { childWarnings } from '../../client/child-warnings.js';

test('each warning is told once, with its reason; what is less, or is no JSON, is not', () => {
  const told: string[] = [];
  const listen = childWarnings((sentence) => told.push(sentence));
  const warning = JSON.stringify({ level: 'warn', msg: 'backend chosen, a faster one is missing', reason: 'the addon is not built' });
  listen(warning);
  listen(warning);
  listen(JSON.stringify({ level: 'info', msg: 'backend chosen' }));
  listen(JSON.stringify({ level: 'error', msg: 'partition 3 is not served' }));
  listen('(node:12) Warning: something');
  listen('null');
  assert.deepEqual(told, ['backend chosen, a faster one is missing: the addon is not built', 'partition 3 is not served']);
});

test('warnings as the services write them are told', () => {
  const log = new URL('../../shared/log.js', import.meta.url).href;
  const script = `import { createLogger } from ${JSON.stringify(log)}; const l = createLogger('x'); l.info('a'); l.warn({ reason: 'because' }, 'b');`;
  const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  const told: string[] = [];
  stderr.split('\n').forEach(childWarnings((sentence) => told.push(sentence)));
  assert.deepEqual(told, ['b: because']);
});
