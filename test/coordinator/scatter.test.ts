import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hedging } from '../../coordinator/hedging.js';
import { Scatter, type ScatterSettings } from '../../coordinator/scatter.js';
import { WorkerFailure } from '../../coordinator/share-race.js';
import type { WorkerLink } from '../../coordinator/worker-link.js';
import type { WorkerStep } from '../../coordinator/worker-step.js';
import { GolddiffError } from '../../shared/errors.js';
import { HEDGE_SAMPLES_MIN } from '../../shared/limits.js';

/** A worker whose answers are in the test's hands. */
class HandWorker {
  readonly computeMs = 1;
  requests = 0;
  usedIndex = false;
  closed = 0;
  opened = 0;
  #end: () => void = () => {};
  constructor(
    readonly workerId: string,
    readonly partitions: readonly number[],
    private readonly behaviour: Record<string, 'answer' | 'hang' | 'lose' | 'refuse'>,
  ) {}
  async work(): Promise<string> {
    this.requests++;
    const how = this.behaviour[this.workerId] ?? 'answer';
    if (how === 'hang') await new Promise<void>((_resolve, reject) => (this.#end = () => reject(new GolddiffError('CANCELLED', 'closed'))));
    if (how === 'lose') throw new GolddiffError('WORKER_LOST', 'gone');
    if (how === 'refuse') throw new GolddiffError('LIMIT_EXCEEDED', 'no room');
    return `${this.workerId}:${this.partitions.join()}`;
  }
  close(): void {
    this.#end();
    this.closed++;
  }
}

const link = (workerId: string) => ({ workerId }) as WorkerLink;
const work = (step: WorkerStep): Promise<string> => (step as unknown as HandWorker).work();

function setUp(behaviour: Record<string, 'answer' | 'hang' | 'lose' | 'refuse'>, more: Partial<ScatterSettings> = {}) {
  const steps: HandWorker[] = [];
  const told: string[] = [];
  const scatter = new Scatter({
    assignments: [
      { link: link('b'), partitions: [2, 3] },
      { link: link('a'), partitions: [0, 1] },
    ],
    elsewhere: (partitions, avoid) => {
      told.push(`elsewhere ${partitions.join()} without ${[...avoid].sort().join()}`);
      const free = ['c', 'd', 'e'].filter((id) => !avoid.has(id));
      return free.length < 2 ? undefined : partitions.map((p, i) => ({ link: link(free[i]!), partitions: [p] }));
    },
    kind: 'k',
    newStep: (assignment) => {
      const step = new HandWorker(assignment.link.workerId, assignment.partitions, behaviour);
      steps.push(step);
      return step as unknown as WorkerStep;
    },
    open: async (step) => void (step as unknown as HandWorker).opened++,
    signal: new AbortController().signal,
    onTakenOver: ({ workerId }) => told.push(`took over from ${workerId}`),
    onGivenUp: (workerId) => told.push(`gave up ${workerId}`),
    ...more,
  });
  return { scatter, steps, told };
}

/** That knows by now that such rounds take a millisecond. */
function practised(budgetPercent = 100): Hedging {
  const hedging = new Hedging({ budgetPercent, percentile: 95, delayMsMin: 5 });
  for (let i = 0; i < HEDGE_SAMPLES_MIN; i++) hedging.note('SCALARS k', [{ workerId: 'x', ms: 1, givenUp: false }], i);
  return hedging;
}

test('a round asks every worker once, in order of their partitions, and each is opened once', async () => {
  const { scatter, steps } = setUp({});
  assert.deepEqual(await scatter.round('SCALARS', work), ['a:0,1', 'b:2,3']);
  await scatter.round('SUMS', work);
  assert.deepEqual(
    steps.map(({ opened, requests }) => [opened, requests]),
    [
      [1, 2],
      [1, 2],
    ],
  );
  assert.equal(scatter.computeMs, 1);
  scatter.close();
  assert.ok(steps.every(({ closed }) => closed > 0));
});

test('a share goes over to other replicas when its worker fails, and stays with them', async () => {
  const behaviour: Parameters<typeof setUp>[0] = {};
  const { scatter, told, steps } = setUp(behaviour);
  await scatter.round('SCALARS', work);
  behaviour['a'] = 'lose';
  assert.deepEqual(await scatter.round('SUMS', work), ['c:0', 'd:1', 'b:2,3']);
  assert.deepEqual(told, ['elsewhere 0,1 without a', 'took over from a']);
  assert.deepEqual(await scatter.round('SUMS', work), ['c:0', 'd:1', 'b:2,3']);
  assert.ok(steps.find(({ workerId }) => workerId === 'a')!.closed > 0);
});

test('a failure that others cannot mend, or without others, ends the round', async () => {
  for (const [behaviour, worker, code] of [
    [{ a: 'refuse' }, 'a', 'LIMIT_EXCEEDED'],
    [{ a: 'lose', c: 'lose', d: 'lose' }, 'd', 'WORKER_LOST'],
  ] as const) {
    await assert.rejects(setUp(behaviour).scatter.round('SCALARS', work), (error) => {
      assert.ok(error instanceof WorkerFailure);
      assert.deepEqual([error.workerId, error.error.code], [worker, code]);
      return true;
    });
  }
});

test('a worker that is late is hedged, given up and told to stop', async () => {
  const hedging = practised();
  const { scatter, told, steps } = setUp({ a: 'hang' }, { hedging });
  assert.deepEqual(await scatter.round('SCALARS', work), ['c:0', 'd:1', 'b:2,3']);
  assert.deepEqual(told, ['elsewhere 0,1 without a', 'gave up a']);
  assert.ok(steps.find(({ workerId }) => workerId === 'a')!.closed > 0);
  assert.deepEqual(await scatter.round('SUMS', work), ['c:0', 'd:1', 'b:2,3']);
});

test('nobody is hedged where most are late, without a token, or where an index has chosen the rows', async () => {
  const never = async (setting: ReturnType<typeof setUp>): Promise<void> => {
    const round = setting.scatter.round('SCALARS', work);
    const first = await Promise.race([round.then(() => 'answered'), new Promise((resolve) => setTimeout(() => resolve('waits'), 60))]);
    assert.equal(first, 'waits');
    const ended = assert.rejects(round, WorkerFailure);
    setting.scatter.close();
    await ended;
  };
  const both = setUp({ a: 'hang', b: 'hang' }, { hedging: practised() });
  await never(both);
  assert.deepEqual(both.told, []);
  const poor = practised(100);
  while (poor.take());
  await never(setUp({ a: 'hang' }, { hedging: poor }));
  const searched = setUp({ a: 'hang' }, { hedging: practised() });
  for (const step of searched.steps) step.usedIndex = true;
  await never(searched);
});

test('a share whose rows an index has chosen does not go over: the attempt ends', async () => {
  const { scatter, steps } = setUp({ a: 'lose' });
  for (const step of steps) step.usedIndex = true;
  await assert.rejects(scatter.round('SCALARS', work), WorkerFailure);
});

test('when the caller goes away the round ends with the reason, and nobody takes over', async () => {
  const abort = new AbortController();
  const behaviour: Parameters<typeof setUp>[0] = { a: 'lose' };
  const { scatter, told } = setUp(behaviour, { signal: abort.signal });
  abort.abort(new GolddiffError('CANCELLED', 'enough'));
  await assert.rejects(scatter.round('SCALARS', work), { code: 'CANCELLED', message: 'enough' });
  assert.deepEqual(told, []);
});
