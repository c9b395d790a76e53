import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { healthUrlOf } from '../../shared/health-url.js';

test('what listens on every address is asked on the machine itself', () => {
  const urls = {
    '0.0.0.0:9464': 'http://127.0.0.1:9464/healthz',
    '[::]:1': 'http://[::1]:1/healthz',
    '10.0.0.0:2': 'http://10.0.0.0:2/healthz',
    'host:3': 'http://host:3/healthz',
  };
  for (const [listen, url] of Object.entries(urls)) assert.equal(healthUrlOf(listen), url);
});

test('it is light: nothing else is loaded with it', () => {
  const program = readFileSync(new URL('../../shared/health-url.js', import.meta.url), 'utf8');
  assert.doesNotMatch(program, /\b(import|require)\b.*['"]/);
});
