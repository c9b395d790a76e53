import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readRules } from '../support/operations-files.js';
import { prometheusFiles, withShortTimes } from './short-times.js';

test('intervals, windows and waiting times become short, and nothing else changes', () => {
  const text = 'scrape_interval: 15s\n  for: 30m\nexpr: rate(a:rate5m[5m]) > 5 # 5m\nrecord: a:rate15m\n';
  assert.equal(withShortTimes(text), 'scrape_interval: 2s\n  for: 1s\nexpr: rate(a:rate5m[10s]) > 5 # 5m\nrecord: a:rate15m\n');
});

test('the files are those of deploy/prometheus, every rule among them, with the targets given', () => {
  const files = prometheusFiles({ coordinators: ['h:1'], workers: ['h:2', 'h:3'] });
  const rules = Object.entries(files).filter(([name]) => name.startsWith('rules/'));
  const count = rules.reduce((sum, [, text]) => sum + [...text.matchAll(/^\s*- (?:alert|record): /gm)].length, 0);
  assert.equal(count, readRules().length);
  for (const [, text] of rules) assert.doesNotMatch(text, /\[\d+m\]|for: \d+m/);
  assert.match(files['prometheus.yaml']!, /scrape_interval: 2s\n/);
  assert.match(files['targets/shard-workers.yaml']!, /h:3/);
});
