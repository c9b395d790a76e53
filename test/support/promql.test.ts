import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seriesIn } from './promql.js';

test('series, matchers and groupings are found, and functions, aggregations, ranges and words are not taken for them', () => {
  const found = seriesIn(
    'histogram_quantile(0.99, sum by (le, t) (rate(a:b_bucket{x=~"q|r", y!="}"}[5m]))) / on (t) group_left (job) (sum(up) > bool 0) or vector(0) unless c offset 5m',
  );
  assert.deepEqual(found.selectors, [
    {
      metric: 'a:b_bucket',
      matchers: [
        { label: 'x', operator: '=~', value: 'q|r' },
        { label: 'y', operator: '!=', value: '}' },
      ],
    },
    { metric: 'up', matchers: [] },
    { metric: 'c', matchers: [] },
  ]);
  assert.deepEqual(found.grouping, ['le', 't', 't', 'job']);
});

test('a grouping may stand behind its argument', () => {
  assert.deepEqual(seriesIn('sum(rate(a[1m])) by (b) + max without (c) (d{})'), {
    selectors: [
      { metric: 'a', matchers: [] },
      { metric: 'd', matchers: [] },
    ],
    grouping: ['b', 'c'],
  });
});
