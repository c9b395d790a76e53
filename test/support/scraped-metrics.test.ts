import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ScrapedMetrics } from './scraped-metrics.js';

test('samples are summed by name and labels, and what is not there is 0', () => {
  const text = ['# HELP a b', 'a_total{kind="x",say="one \\"two\\", three"} 2', 'a_total{kind="y"} 3e1', 'a_total_more 7', 'gauge 0.5', ''].join(
    '\n',
  );
  const metrics = ScrapedMetrics.parse(text);
  assert.deepEqual([metrics.sum('a_total'), metrics.sum('a_total', { kind: 'x' }), metrics.sum('gauge'), metrics.sum('none')], [32, 2, 0.5, 0]);
  assert.equal(metrics.sum('a_total', { kind: 'x', say: 'another' }), 0);
  assert.deepEqual(metrics.by('a_total', 'kind'), { x: 2, y: 30 });
  assert.throws(() => ScrapedMetrics.parse('<html>'), /not a line of metrics/);
});
