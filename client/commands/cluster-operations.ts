/** golddiff cluster status and golddiff cluster drain: how a running cluster is, and emptying a worker before it goes. */

import { Command } from 'commander';

import { again } from '../../shared/again.js';
import { hostPort, integer } from '../../shared/config.js';
import { GolddiffError } from '../../shared/errors.js';
import type { ClusterInfo } from '../golddiff-client.js';
import { markdownTable } from '../studies/table.js';
import { withClient, type ClientTarget } from '../with-client.js';
import { clientFlag } from './client-flag.js';
import { addTlsFlags } from './tls-flags.js';

const ENDPOINT_DEFAULT = '127.0.0.1:50051';
const LOOK_AGAIN_MS = 200;
const WAIT_DEFAULT_MS = 600_000;
/** Of a worker that is not empty yet. */
const NOT_EMPTY = 'DEADLINE_EXCEEDED';

interface StatusFlags extends ClientTarget {
  readonly json?: boolean;
}

interface DrainFlags extends StatusFlags {
  readonly undo?: boolean;
  readonly waitMs: number;
}

export function statusCommand(): Command {
  return addTlsFlags(new Command('status'))
    .description('workers, partitions, replicas, epoch, leader, queue and coverage of a running cluster')
    .addOption(clientFlag('--endpoint <HOST:PORT>', 'any of its coordinators', hostPort, ENDPOINT_DEFAULT))
    .option('--json', 'print them as JSON')
    .action(async (flags: StatusFlags) =>
      withClient(flags, async ({ client, signal }) => {
        const status = await client.cluster.status({ signal });
        process.stdout.write(flags.json ? `${JSON.stringify(status)}\n` : statusText(status));
      }),
    );
}

export function drainCommand(): Command {
  return addTlsFlags(new Command('drain'))
    .description('move the partitions of a worker to others and wait until it holds none that steps ask for; no request is lost')
    .argument('<worker>', 'id of the worker')
    .addOption(clientFlag('--endpoint <HOST:PORT>', 'any coordinator of the cluster', hostPort, ENDPOINT_DEFAULT))
    .addOption(clientFlag('--wait-ms <INT>', 'how long to wait for it to be empty', integer(0, 86_400_000), String(WAIT_DEFAULT_MS)))
    .option('--undo', 'give it work again')
    .option('--json', 'print the cluster as it is then')
    .action(async (worker: string, flags: DrainFlags) =>
      withClient(flags, async ({ client, signal }) => {
        const endMs = performance.now() + flags.waitMs;
        let ask = (): Promise<ClusterInfo> => client.cluster.drain(worker, flags.undo ?? false, { signal });
        const askUntilEmpty = async (): Promise<ClusterInfo> => {
          const status = await ask();
          ask = () => client.cluster.status({ signal });
          if (!flags.undo && !isEmpty(status, worker)) throw notEmpty(status, worker, flags.waitMs);
          return status;
        };
        const status = await again(askUntilEmpty, { endMs, everyMs: LOOK_AGAIN_MS, while: mayPass });
        if (flags.json) process.stdout.write(`${JSON.stringify(status)}\n`);
        else process.stdout.write(flags.undo ? `${worker} gets work again\n` : `${worker} is empty and may be stopped\n`);
      }),
    );
}

/** NATS elects a leader now and then and takes no order meanwhile: a drain that was asked to wait does not fail for that. */
function mayPass(thrown: unknown): boolean {
  return thrown instanceof GolddiffError && (thrown.code === 'CONTROL_PLANE_LOST' || thrown.code === NOT_EMPTY);
}

/** One that has gone holds nothing either. */
function isEmpty(status: ClusterInfo, workerId: string): boolean {
  const worker = status.workers.find((w) => w.workerId === workerId);
  return worker === undefined || (worker.draining && worker.partitionsPlaced === 0 && worker.openSteps === 0);
}

function notEmpty(status: ClusterInfo, workerId: string, waitMs: number): GolddiffError {
  const worker = status.workers.find((w) => w.workerId === workerId);
  const others = status.workers.filter((w) => w.workerId !== workerId && !w.draining).length;
  return new GolddiffError(
    NOT_EMPTY,
    `${workerId} still has ${worker?.partitionsPlaced ?? 0} partitions and ${worker?.openSteps ?? 0} open steps after ${waitMs} ms; ${others} other workers take work`,
  );
}

/** @param nowUnixMs of this machine's clock, for the age of what waits */
export function statusText(status: ClusterInfo, nowUnixMs = Date.now()): string {
  const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(2);
  const workers = markdownTable({
    header: ['worker', 'address', 'backend', 'epoch', 'placed', 'held', 'GiB used', 'GiB', 'steps', 'state'],
    rows: status.workers.map((w) => [
      w.workerId,
      w.address,
      w.backend,
      w.epoch,
      w.partitionsPlaced,
      w.partitionsHeld,
      gib(w.deviceMemoryUsedBytes),
      gib(w.deviceMemoryBytes),
      w.openSteps,
      w.failures.length > 0 ? `${w.failures.length} failed` : w.draining ? 'draining' : 'live',
    ]),
  });
  const replicas = status.partitions.map((p) => p.replicas.length);
  const short = replicas.filter((n) => n < status.replicasWanted).length;
  const lines = [
    `data set    ${status.dataSet} (${status.contentHash.slice(0, 12)})`,
    `placement   epoch ${status.placementEpoch}, leader ${status.leader || 'none'}, control plane ${status.controlPlane}`,
    `coverage    ${(100 * status.coverage).toFixed(2)} % of the rows`,
    `partitions  ${replicas.length}, ${status.replicasWanted} replicas wanted, ${short === 0 ? 'all there' : `${short} partitions have fewer`}`,
    `steps       ${status.stepsRunning} running, ${status.stepsWaiting} waiting on ${status.coordinator}`,
    `jobs        ${jobsText(status.jobs, nowUnixMs)}`,
  ];
  const failures = status.workers.flatMap((w) => w.failures.map((failure) => `failed      ${w.workerId}: ${failure}`));
  return `${[...lines, ...failures].join('\n')}\n\n${workers}\n${partitionsTable(status)}`;
}

function jobsText(jobs: ClusterInfo['jobs'], nowUnixMs: number): string {
  if (jobs === null) return 'not known: the control plane does not answer, and all else here is what was known before';
  const waits = jobs.oldestQueuedUnixMs > 0 ? ` (the oldest for ${Math.max(0, Math.round((nowUnixMs - jobs.oldestQueuedUnixMs) / 1000))} s)` : '';
  const ended = `${jobs.succeeded} succeeded, ${jobs.failed} failed, ${jobs.cancelled} cancelled`;
  return `${jobs.queued} queued${waits}, ${jobs.running} running, ${ended}; ${jobs.redeliveries} redeliveries, ${jobs.deadLetters} dead letters`;
}

/** One row for each run of partitions with the same holders: blocks are placed whole. */
function partitionsTable({ partitions }: ClusterInfo): string {
  const runs: { first: number; last: number; rows: number; replicas: string }[] = [];
  for (const { id, rows, replicas } of partitions) {
    const holders = replicas.join(', ') || 'nobody';
    const run = runs.at(-1);
    if (run !== undefined && run.replicas === holders) {
      run.last = id;
      run.rows += rows;
    } else runs.push({ first: id, last: id, rows, replicas: holders });
  }
  return markdownTable({
    header: ['partitions', 'rows', 'live replicas, the preferred one first'],
    rows: runs.map(({ first, last, rows, replicas }) => [first === last ? `${first}` : `${first}..${last}`, rows, replicas]),
  });
}
