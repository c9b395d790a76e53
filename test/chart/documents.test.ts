import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parseDocument } from 'yaml';
import { expectedExtraBytes } from '../../shard-worker/backends/native/resident-bytes.js';
import { packageRoot } from '../../shared/package-root.js';
import { proxyGeometry } from '../../shared/math/proxy.js';
import { WORKER_STEP_STATE_BYTES_MAX } from '../../shared/limits.js';
import { chartFolder, defaultValues } from './render.js';

const read = (...names: string[]): string => readFileSync(path.join(...names), 'utf8');

test('the README of the chart has the table of its values, and every value is in the schema', async () => {
  const { readmeWith, valueRows } = (await import(path.join(packageRoot, 'scripts/chart-readme.mjs'))) as {
    readmeWith: (readme: string, values: string) => string;
    valueRows: (values: string) => [string, string, string][];
  };
  const values = read(chartFolder, 'values.yaml');
  const readme = read(chartFolder, 'README.md');
  assert.equal(readme, readmeWith(readme, values), 'npm run chart:readme');
  const rows = valueRows(values);
  assert.ok(rows.length > 100 && rows.some(([key, , text]) => key === 'worker.replicas' && /replicationFactor/.test(text)));
  assert.deepEqual(parseDocument(values).errors, []);
  type Schema = { properties?: Record<string, Schema>; $ref?: string };
  const known = (schema: Schema, keys: Record<string, unknown>, at: string): string[] =>
    Object.keys(schema.properties ?? {}).flatMap((key) => {
      const below = schema.properties![key]!;
      const value = keys[key];
      if (!(key in keys)) return [`${at}${key}: in the schema alone`];
      return below.properties === undefined || value === null || typeof value !== 'object'
        ? []
        : known(below, value as Record<string, unknown>, `${at}${key}.`);
    });
  assert.deepEqual(known(JSON.parse(read(chartFolder, 'values.schema.json')) as Schema, defaultValues(), ''), []);
});

test('the version of the chart and of its images is that of the package', () => {
  const { version } = JSON.parse(read(packageRoot, 'package.json')) as { version: string };
  assert.match(read(chartFolder, 'Chart.yaml'), new RegExp(`^version: ${version}\\nappVersion: ${version}$`, 'm'));
  assert.match(read(packageRoot, 'deploy/docker/Dockerfile'), new RegExp(`^ARG VERSION=${version}$`, 'm'));
});

test('what OPERATIONS.md says of the memory of a row is what the engine allocates', () => {
  const text = read(packageRoot, 'docs/OPERATIONS.md');
  const number = (cell: string): number => Number(cell.replaceAll(/[, ]|GB/g, ''));
  const shapes: Record<string, [number, number, number]> = { MNIST: [1, 28, 28], 'CIFAR-10': [3, 32, 32], 'ImageNet 64 x 64': [3, 64, 64] };
  for (const [name, shape] of Object.entries(shapes)) {
    const row = text.split('\n').find((line) => line.startsWith(`| ${name}, `))!;
    const [label = '', dim = '', proxy = '', bytes = '', one = '', indexed = ''] = row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    const rows = number(/, ([\d,]+) rows/.exec(label)![1]!);
    const values = shape[0] * shape[1] * shape[2];
    const geometry = proxyGeometry(shape, 0);
    assert.deepEqual([number(dim), number(proxy)], [values, geometry.values], name);
    const perRow = values + expectedExtraBytes(true, 1_000_000, shape) / 1_000_000;
    // What is once for a partition, the mean row and slack, is below a tenth of a byte a row here.
    assert.ok(Math.abs(number(bytes) - perRow) < 0.2, `${name}: ${perRow} bytes`);
    assert.equal(number(one), Number(((rows * number(bytes)) / 1e9).toFixed(2)), name);
    assert.equal(number(indexed), Number(((rows * (number(bytes) + 4 * geometry.values + 250)) / 1e9).toFixed(2)), name);
  }
  assert.equal(WORKER_STEP_STATE_BYTES_MAX, 2 * 2 ** 30, 'the chart leaves 2 GiB to steps: templates/_helpers.tpl');
});
