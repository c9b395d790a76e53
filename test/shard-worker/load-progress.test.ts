import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { pino } from 'pino';
import { LoadProgress, type LoadState } from '../../shard-worker/load-progress.js';
import { until } from '../support/nats-sessions.js';

test('loads are counted from the first that begins to the last that ends, over several at once', () => {
  const states: (LoadState | undefined)[] = [];
  const progress = new LoadProgress({ log: pino({ level: 'silent' }), onChange: (state) => void states.push(state) });
  assert.equal(progress.state, undefined);
  progress.fetched(5);
  progress.begin([]);
  assert.deepEqual(states, [], 'nothing to load is no change');
  progress.begin([100, 200]);
  progress.begin([300]);
  progress.fetched(150);
  progress.done(100);
  assert.deepEqual(progress.state, { partitionsDone: 1, partitions: 3, bytesDone: 100, bytes: 600, bytesFetched: 150 });
  progress.done(200);
  progress.done(300);
  assert.equal(progress.state, undefined);
  assert.equal(states.length, 5);
  assert.equal(states.at(-1), undefined);
});

test('the log says how far they are, while they last', async () => {
  const lines: string[] = [];
  const log = pino(
    new Writable({
      write: (chunk: Buffer, _, next) => {
        lines.push(chunk.toString());
        next();
      },
    }),
  );
  const progress = new LoadProgress({ log, intervalMs: 5 });
  progress.begin([40_000_000, 2_500_000]);
  progress.fetched(1_250_000);
  progress.done(2_500_000);
  // The timer of the log keeps no process alive; this one does.
  await until(() => lines.length >= 2, 'two lines');
  assert.match(lines[0]!, /still loading: 1 of 2 partitions loaded, 2\.5 of 43 MB, 1\.3 MB fetched/);
  progress.done(40_000_000);
  const ended = lines.length;
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(lines.length, ended);
});
