/**
 * What every control plane must do. The factory gives a fresh, empty one with a worker lease of `workerLeaseMs`, and `pass(ms)` that lets time go by:
 * by hand where the clock is injected, by waiting where it is real.
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ControlPlane, JobRecord, PlacementDocument, WorkerStatus } from '../../../shared/control-plane/control-plane.js';

export interface ControlPlaneUnderTest {
  readonly plane: ControlPlane;
  readonly pass: (ms: number) => Promise<void>;
  dispose(): Promise<void>;
}

export interface ContractTimes {
  /** worker lease of the planes that the factory gives, ms */
  readonly workerLeaseMs: number;
  readonly jobLeaseMs: number;
  /** how long a watcher may take to hear of a change, ms of real time */
  readonly noticeMs: number;
}

/** @param skip why these tests cannot run here */
export function controlPlaneContract(
  name: string,
  times: ContractTimes,
  factory: () => Promise<ControlPlaneUnderTest>,
  skip: string | undefined = undefined,
): void {
  const check = (sentence: string, body: (under: ControlPlaneUnderTest) => Promise<void>): void => {
    it(sentence, { skip: skip ?? false }, async () => {
      const under = await factory();
      try {
        await body(under);
      } finally {
        await under.dispose();
      }
    });
  };
  const take = (jobs: ControlPlane['jobs']): ReturnType<ControlPlane['jobs']['take']> => jobs.take(times.jobLeaseMs, 5);
  const noticed = async (condition: () => boolean, what: string): Promise<void> => {
    const endMs = performance.now() + times.noticeMs;
    while (!condition()) {
      assert.ok(performance.now() < endMs, `not noticed: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };

  describe(`${name}: membership`, () => {
    check('lists live workers by id, with what each said last', async ({ plane: { membership } }) => {
      assert.deepEqual(await membership.list(), []);
      await membership.heartbeat(worker('b', 1));
      await membership.heartbeat(worker('a', 2));
      await membership.heartbeat(worker('b', 3));
      assert.deepEqual(await membership.list(), [worker('a', 2), worker('b', 3)]);
    });

    check('ends a lease when nothing has been heard for its length, and not before', async ({ plane: { membership }, pass }) => {
      await membership.heartbeat(worker('a', 0));
      await membership.heartbeat(worker('b', 0));
      await pass(times.workerLeaseMs * 0.6);
      await membership.heartbeat(worker('b', 1));
      await pass(times.workerLeaseMs * 0.6);
      assert.deepEqual(
        (await membership.list()).map(({ workerId }) => workerId),
        ['b'],
      );
      await membership.heartbeat(worker('a', 2));
      assert.deepEqual(
        (await membership.list()).map(({ workerId }) => workerId),
        ['a', 'b'],
        'a worker that comes back is live again',
      );
    });

    check('removes a worker at once and ignores unknown ones', async ({ plane: { membership } }) => {
      await membership.heartbeat(worker('a', 0));
      await membership.remove('nobody');
      await membership.remove('a');
      assert.deepEqual(await membership.list(), []);
    });

    check('tells watchers of joins, changes, goodbyes and ended leases, until they stop watching', async ({ plane: { membership }, pass }) => {
      let seen: readonly WorkerStatus[] = [];
      let calls = 0;
      const stop = membership.watch((workers) => {
        seen = workers;
        calls++;
      });
      await membership.heartbeat(worker('a', 0));
      await noticed(() => seen.length === 1, 'a join');
      await membership.heartbeat(worker('a', 7));
      await noticed(() => seen[0]?.openSteps === 7, 'a change');
      await membership.heartbeat(worker('b', 0));
      await membership.remove('a');
      await noticed(() => seen.length === 1 && seen[0]?.workerId === 'b', 'a goodbye');
      await pass(times.workerLeaseMs * 1.2);
      await membership.list();
      await noticed(() => seen.length === 0, 'an ended lease');
      stop();
      const before = calls;
      await membership.heartbeat(worker('c', 0));
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(calls, before);
    });
  });

  describe(`${name}: orders to drain`, () => {
    check('a worker that is to be drained counts as draining until the order is taken back', async ({ plane: { membership } }) => {
      let seen: readonly WorkerStatus[] = [];
      membership.watch((workers) => (seen = workers));
      await membership.heartbeat(worker('a.1 x', 0));
      await membership.drain('a.1 x', true);
      await membership.drain('a.1 x', true);
      assert.deepEqual(await membership.list(), [{ ...worker('a.1 x', 0), draining: true }]);
      await membership.heartbeat(worker('a.1 x', 1));
      await membership.heartbeat(worker('b', 0));
      await noticed(() => seen.length === 2, 'a join');
      assert.deepEqual(
        seen.map(({ draining }) => draining),
        [true, false],
        'a heartbeat does not take the order back',
      );
      await membership.drain('a.1 x', false);
      await noticed(() => seen[0]?.draining === false, 'the order taken back');
    });
  });

  describe(`${name}: leadership`, () => {
    check('lets one of several candidates lead, and another after it gives the lead up', async ({ plane: { leadership } }) => {
      assert.equal(await leadership.leader(), undefined);
      const leading = new Set<string>();
      let most = 0;
      const campaign = (id: string): (() => Promise<void>) =>
        leadership.campaign(id, (leads) => {
          if (leads) leading.add(id);
          else leading.delete(id);
          most = Math.max(most, leading.size);
        });
      const stops = new Map(['a', 'b', 'c'].map((id) => [id, campaign(id)]));
      for (let left = stops.size; left > 0; left--) {
        await noticed(() => leading.size === 1, `a leader of ${left}`);
        const [leader] = [...leading];
        assert.equal(await leadership.leader(), leader);
        await stops.get(leader!)!();
        assert.ok(!leading.has(leader!), 'it hears that it leads no more');
      }
      assert.equal(await leadership.leader(), undefined);
      assert.equal(most, 1);
    });
  });

  describe(`${name}: placements`, () => {
    check('writes only over the expected epoch', async ({ plane: { placements } }) => {
      assert.equal(await placements.get('mnist'), undefined);
      assert.equal(await placements.compareAndSet(placement(1), 0), true);
      assert.equal(await placements.compareAndSet(placement(2), 0), false, 'a document is there already');
      assert.equal(await placements.compareAndSet(placement(4), 1), true, 'epochs may skip');
      assert.equal(await placements.compareAndSet(placement(5), 1), false, 'the epoch has moved on');
      assert.deepEqual(await placements.get('mnist'), placement(4));
      assert.equal(await placements.get('other'), undefined);
    });

    check('lets one of many racing writers win', async ({ plane: { placements } }) => {
      const won = await Promise.all(Array.from({ length: 8 }, (_, i) => placements.compareAndSet(placement(i + 1), 0)));
      assert.equal(won.filter(Boolean).length, 1);
    });

    check('refuses a document whose epoch does not grow', async ({ plane: { placements } }) => {
      await placements.compareAndSet(placement(3), 0);
      await assert.rejects(placements.compareAndSet(placement(3), 3), /Expected more than the expected epoch 3 for epoch/);
    });

    check('tells watchers of that data set alone', async ({ plane: { placements } }) => {
      const epochs: number[] = [];
      const stop = placements.watch('mnist', ({ epoch }) => epochs.push(epoch));
      await placements.compareAndSet({ ...placement(1), dataSet: 'other' }, 0);
      await placements.compareAndSet(placement(1), 0);
      await noticed(() => epochs.includes(1), 'a placement');
      stop();
      await placements.compareAndSet(placement(2), 1);
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.deepEqual(epochs, [1]);
    });
  });

  describe(`${name}: jobs`, () => {
    check('keeps one job per id, whatever is submitted again', async ({ plane: { jobs } }) => {
      const first = await jobs.submit('j', bytes('one'));
      const second = await jobs.submit('j', bytes('two'));
      assert.equal(first.state, 'queued');
      assert.deepEqual(second, first);
      assert.deepEqual((await jobs.get('j'))?.payload, bytes('one'));
      assert.equal(await jobs.get('unknown'), undefined);
    });

    check('lists newest first, in pages', async ({ plane: { jobs } }) => {
      for (const id of ['a', 'b', 'c', 'd']) await jobs.submit(id, bytes(id));
      const ids = (page: readonly JobRecord[]): string[] => page.map(({ jobId }) => jobId);
      assert.deepEqual(ids(await jobs.list(3)), ['d', 'c', 'b']);
      assert.deepEqual(ids(await jobs.list(3, 'b')), ['a']);
      assert.deepEqual(ids(await jobs.list(3, 'a')), []);
    });

    check('gives the oldest waiting job to one taker', async ({ plane: { jobs } }) => {
      await jobs.submit('a', bytes('a'));
      await jobs.submit('b', bytes('b'));
      const [first, second, third] = await Promise.all([take(jobs), take(jobs), take(jobs)]);
      assert.deepEqual([first, second].map((lease) => lease?.job.jobId).sort(), ['a', 'b']);
      assert.equal(third, undefined);
      assert.equal(first?.job.state, 'running');
      assert.equal(first?.job.deliveries, 1);
    });

    check('records progress and success', async ({ plane: { jobs } }) => {
      await jobs.submit('a', bytes('a'));
      const lease = await take(jobs);
      assert.equal(await lease?.progress(bytes('half')), true);
      assert.deepEqual((await jobs.get('a'))?.progress, bytes('half'));
      await lease?.succeed();
      const done = await jobs.get('a');
      assert.equal(done?.state, 'succeeded');
      assert.equal(await take(jobs), undefined);
      assert.equal(await lease?.progress(bytes('late')), false, 'a lease ends with its job');
    });

    check('records failure with its reason', async ({ plane: { jobs } }) => {
      await jobs.submit('a', bytes('a'));
      await (await take(jobs))?.fail('No rows with that label');
      const done = await jobs.get('a');
      assert.equal(done?.state, 'failed');
      assert.equal(done?.failure, 'No rows with that label');
    });

    check('gives a released job to another, with its progress', async ({ plane: { jobs } }) => {
      await jobs.submit('a', bytes('a'));
      const lease = await take(jobs);
      await lease?.progress(bytes('half'));
      await lease?.release();
      const again = await take(jobs);
      assert.equal(again?.job.deliveries, 2);
      assert.deepEqual(again?.job.progress, bytes('half'));
    });

    check('delivers again when a lease ends in silence, and progress keeps it', async ({ plane: { jobs }, pass }) => {
      await jobs.submit('a', bytes('a'));
      const first = await take(jobs);
      await pass(times.jobLeaseMs * 0.6);
      assert.equal(await first?.progress(bytes('1')), true);
      await pass(times.jobLeaseMs * 0.6);
      assert.equal(await take(jobs), undefined, 'progress renewed the lease');
      await pass(times.jobLeaseMs * 0.6);
      const second = await take(jobs);
      assert.equal(second?.job.deliveries, 2);
      assert.equal(await first?.progress(bytes('2')), false, 'the first taker has lost it');
      await first?.succeed();
      assert.equal((await jobs.get('a'))?.state, 'running', 'and can no longer end it');
      await second?.succeed();
      assert.equal((await jobs.get('a'))?.state, 'succeeded');
    });

    check('fails a job that was delivered too often', async ({ plane: { jobs } }) => {
      await jobs.submit('a', bytes('a'));
      for (let i = 0; i < 3; i++) await (await jobs.take(times.jobLeaseMs, 3))?.release();
      assert.equal(await jobs.take(times.jobLeaseMs, 3), undefined);
      const done = await jobs.get('a');
      assert.equal(done?.state, 'failed');
      assert.match(done?.failure ?? '', /3 times/);
    });

    check('cancels waiting and running jobs, and leaves ended ones', async ({ plane: { jobs } }) => {
      await jobs.submit('waiting', bytes('w'));
      assert.equal((await jobs.cancel('waiting'))?.state, 'cancelled');
      assert.equal(await take(jobs), undefined);
      await jobs.submit('running', bytes('r'));
      const lease = await take(jobs);
      await jobs.cancel('running');
      assert.equal(await lease?.progress(bytes('x')), false, 'the taker is told to stop');
      await lease?.succeed();
      assert.equal((await jobs.get('running'))?.state, 'cancelled');
      await jobs.submit('done', bytes('d'));
      await (await take(jobs))?.succeed();
      assert.equal((await jobs.cancel('done'))?.state, 'succeeded');
      assert.equal(await jobs.cancel('unknown'), undefined);
    });

    check('tells how its jobs stand: by state, the oldest that waits, redeliveries and what was given up', async ({ plane: { jobs } }) => {
      const none = { queued: 0, running: 0, succeeded: 0, failed: 0, cancelled: 0 };
      assert.deepEqual(await jobs.queue(), { byState: none, oldestQueuedUnixMs: undefined, redeliveries: 0, deadLetters: 0 });
      const first = await jobs.submit('a', bytes('a'));
      await jobs.submit('b', bytes('b'));
      await jobs.submit('c', bytes('c'));
      const waiting = await jobs.queue();
      assert.deepEqual([waiting.byState.queued, waiting.oldestQueuedUnixMs], [3, first.submittedUnixMs]);
      await (await take(jobs))?.succeed();
      await jobs.cancel('b');
      for (let i = 0; i < 3; i++) {
        const lease = await jobs.take(times.jobLeaseMs, 3);
        assert.equal(lease?.job.jobId, 'c');
        assert.equal((await jobs.queue()).byState.running, 1);
        await lease?.release();
      }
      assert.equal(await jobs.take(times.jobLeaseMs, 3), undefined);
      assert.deepEqual(await jobs.queue(), {
        byState: { ...none, succeeded: 1, failed: 1, cancelled: 1 },
        oldestQueuedUnixMs: undefined,
        redeliveries: 2,
        deadLetters: 1,
      });
    });

    check('tells watchers of every change, with a growing revision', async ({ plane: { jobs } }) => {
      const seen: JobRecord[] = [];
      const stop = jobs.watch('a', (job) => seen.push(job));
      await jobs.submit('a', bytes('a'));
      const lease = await take(jobs);
      await lease?.progress(bytes('half'));
      await lease?.succeed();
      await noticed(() => seen.at(-1)?.state === 'succeeded', 'the end');
      const revisions = seen.map(({ revision }) => revision);
      assert.deepEqual(
        revisions,
        [...new Set(revisions)].sort((x, y) => x - y),
      );
      stop();
    });
  });

  describe(`${name}: artifacts`, () => {
    check('keeps bytes by name until they are replaced or deleted', async ({ plane: { artifacts } }) => {
      assert.equal(await artifacts.get('a'), undefined);
      const mine = bytes('one');
      await artifacts.put('a', mine);
      mine.fill(0);
      assert.deepEqual(await artifacts.get('a'), bytes('one'), 'the caller may use its buffer again');
      await artifacts.put('a', bytes('two'));
      assert.deepEqual(await artifacts.get('a'), bytes('two'));
      await artifacts.put('empty', new Uint8Array(0));
      assert.equal((await artifacts.get('empty'))?.length, 0);
      await artifacts.delete('a');
      await artifacts.delete('unknown');
      assert.equal(await artifacts.get('a'), undefined);
    });

    check('drops what has expired, and a new put starts a new life', async ({ plane: { artifacts }, pass }) => {
      await artifacts.put('short', bytes('s'), times.workerLeaseMs);
      await artifacts.put('long', bytes('l'));
      await pass(times.workerLeaseMs * 0.6);
      await artifacts.put('renewed', bytes('r'), times.workerLeaseMs);
      assert.deepEqual(await artifacts.get('short'), bytes('s'));
      await pass(times.workerLeaseMs * 0.6);
      assert.equal(await artifacts.get('short'), undefined);
      assert.deepEqual(await artifacts.get('renewed'), bytes('r'));
      assert.deepEqual(await artifacts.get('long'), bytes('l'));
    });
  });
}

function worker(workerId: string, openSteps: number): WorkerStatus {
  return {
    workerId,
    instanceId: `${workerId}-1`,
    address: '127.0.0.1:1',
    backend: 'reference',
    deviceMemoryBytes: 2 ** 30,
    deviceMemoryUsedBytes: 0,
    openSteps,
    draining: false,
    held: [{ dataSet: 'mnist', partition: 0, sha256: 'ab', epoch: 1 }],
  };
}

function placement(epoch: number): PlacementDocument {
  return { dataSet: 'mnist', contentHash: 'cd', epoch, partitions: [{ partition: 0, replicas: ['a', 'b'] }] };
}

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text));
}
