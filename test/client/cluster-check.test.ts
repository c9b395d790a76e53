import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkCluster } from '../../client/cluster-check.js';
import type { GolddiffClient } from '../../client/golddiff-client.js';

const SHAPE = [1, 2, 2];
const whole: { fraction: number; missingPartitions: number[] } = { fraction: 1, missingPartitions: [] };

/** A cluster that answers as it is told, one x0hat for each question in turn. */
function cluster(answers: number[][], { health = 'SERVING', coverage = whole } = {}): GolddiffClient {
  const score = async ({ shape }: { shape: number[] }): Promise<object> => {
    const x0hat = Float32Array.from(answers.shift() ?? [0, 0, 0, 0]);
    return { shape, x0hat, score: x0hat, coverage, timings: { totalMs: 1 }, goldenRows: [2] };
  };
  const datasets = { get: async () => ({ name: 'd', rows: 3, shape: SHAPE }) };
  return { endpoint: 'h:1', health: async () => health, datasets, score } as unknown as GolddiffClient;
}

test('answers that cannot be right are told by what is wrong with them', async () => {
  const options = { batch: 1 };
  assert.equal((await checkCluster(cluster([]), options)).repeatDifference, 0);
  const refused: [GolddiffClient, RegExp][] = [
    [cluster([], { health: 'NOT_SERVING' }), /SERVING but it is NOT_SERVING/],
    [cluster([], { coverage: { fraction: 0.5, missingPartitions: [1] } }), /coverage is 0.5/],
    [cluster([[0, 0, 0, 1.5]]), /a mean of data in \[-1, 1\] is 1.5, at value 3/],
    [cluster([[0, NaN, 0, 0]]), /is NaN, at value 1/],
    [cluster([[0, 0]]), /2 values and 2 of the score for 4/],
    [cluster([[0, 0, 0, 0], [0, 0.5, 0, 0]]), /differ by 0.5/], // prettier-ignore
  ];
  for (const [client, sentence] of refused) await assert.rejects(checkCluster(client, options), sentence);
});
