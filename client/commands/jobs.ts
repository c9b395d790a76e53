/** golddiff jobs: sampling that outlives the caller, the coordinators and the workers. */

import { randomUUID } from 'node:crypto';
import path from 'node:path';

import { Command } from 'commander';

import { hostPortList, integer, text } from '../../shared/config.js';
import { writeNpy } from '../../shared/dataset/npy.js';
import { defined } from '../../shared/defined.js';
import { GolddiffError } from '../../shared/errors.js';
import { JOB_GRID_IMAGES_MAX } from '../../shared/limits.js';
import { imageGridPng } from '../../shared/pictures/image-grid.js';
import { withAnyCoordinator, type AnyCoordinator, type Coordinators } from '../any-coordinator.js';
import { makeFolder, writeFileAtomically } from '../atomic-file.js';
import { dialledTls, type ClientTlsFlags } from '../dialled-tls.js';
import { JOB_ENDED, type JobInfo } from '../job-calls.js';
import { startProgress } from '../progress.js';
import { markdownTable } from '../studies/table.js';
import { clientFlag } from './client-flag.js';
import { addSampleFlags, readSampleInput, type SampleFlags } from './sample-flags.js';
import { addTlsFlags } from './tls-flags.js';

interface JobFlags extends ClientTlsFlags {
  readonly endpoint: readonly string[];
  readonly patienceMs: number;
  readonly json?: boolean;
}

const ENDPOINT_DEFAULT = '127.0.0.1:50051';
const PATIENCE_DEFAULT_MS = '60000';
const LIST_DEFAULT = '20';

export function jobsCommand(): Command {
  return new Command('jobs')
    .description('sampling as jobs, which survive the death of any process')
    .addCommand(submitCommand())
    .addCommand(oneJob('status', 'how a job is', (coordinators, jobId) => coordinators.ask((client) => client.jobs.get(jobId, coordinators))))
    .addCommand(oneJob('wait', 'wait until a job has ended; status 1 where it failed or was cancelled', waitFor))
    .addCommand(
      oneJob('cancel', 'end a job that has not ended', (coordinators, jobId) =>
        coordinators.ask((client) => client.jobs.cancel(jobId, coordinators)),
      ),
    )
    .addCommand(listCommand())
    .addCommand(resultCommand());
}

function submitCommand(): Command {
  const command = new Command('submit').description('submit a sampling run and print the id of its job');
  return addJobFlags(addSampleFlags(command))
    .addOption(clientFlag('--data-set <NAME>', 'data set to ask for', text))
    .addOption(clientFlag('--key <TEXT>', 'idempotency key: the same key gives the same job (default: a new one)', text))
    .option('--wait', 'also wait until it has ended')
    .action(async (flags: JobFlags & SampleFlags & { readonly key?: string; readonly wait?: boolean }) => {
      const input = await readSampleInput(flags);
      const key = flags.key ?? randomUUID();
      await withAnyCoordinator(coordinatorsOf(flags), async (coordinators) => {
        const job = await coordinators.ask((client) => client.jobs.submit(key, input, coordinators));
        if (flags.wait) print(await waitFor(coordinators, job.jobId), flags);
        else process.stdout.write(flags.json ? `${JSON.stringify(job)}\n` : `${job.jobId}\n`);
      });
    });
}

function oneJob(name: string, description: string, action: (coordinators: AnyCoordinator, jobId: string) => Promise<JobInfo>): Command {
  return addJobFlags(new Command(name).description(description).argument('<job>', 'id of the job')).action(async (jobId: string, flags: JobFlags) =>
    withAnyCoordinator(coordinatorsOf(flags), async (coordinators) => print(await action(coordinators, jobId), flags)),
  );
}

function listCommand(): Command {
  return addJobFlags(new Command('list').description('jobs, newest first'))
    .addOption(clientFlag('--limit <N>', 'at most so many', integer(1, 1_000_000), LIST_DEFAULT))
    .action(async (flags: JobFlags & { readonly limit: number }) =>
      withAnyCoordinator(coordinatorsOf(flags), async (coordinators) => {
        const jobs = await coordinators.ask((client) => client.jobs.list(flags.limit, coordinators));
        const rows = jobs.map((job) => [
          job.jobId,
          job.state,
          share(job),
          job.request?.count ?? 0,
          timeOf(job.submittedUnixMs),
          job.deliveries,
          job.failure,
        ]);
        const table = markdownTable({ header: ['job', 'state', 'done', 'images', 'submitted', 'deliveries', 'failure'], rows });
        process.stdout.write(flags.json ? `${JSON.stringify(jobs)}\n` : table);
      }),
    );
}

function resultCommand(): Command {
  return addJobFlags(new Command('result').description('samples.npy and samples.png of a job into a folder').argument('<job>', 'id of the job'))
    .addOption(clientFlag('--out <DIR>', 'folder of the results', text, 'out'))
    .action(async (jobId: string, flags: JobFlags & { readonly out: string }) =>
      withAnyCoordinator(coordinatorsOf(flags), async (coordinators) => {
        const { images, count, shape } = await coordinators.ask((client) => client.jobs.result(jobId, coordinators));
        await makeFolder(flags.out);
        await writeNpy(path.join(flags.out, 'samples.npy'), images, [count, ...shape]);
        const shown = Math.min(count, JOB_GRID_IMAGES_MAX);
        const grid = await imageGridPng({ values: images.subarray(0, (shown * images.length) / count), count: shown, shape });
        await writeFileAtomically(path.join(flags.out, 'samples.png'), grid);
        const report = { jobId, count, shape, files: ['samples.npy', 'samples.png'], out: flags.out };
        process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : `${count} images: samples.npy, samples.png in ${flags.out}\n`);
      }),
    );
}

function addJobFlags(command: Command): Command {
  return addTlsFlags(command)
    .addOption(
      clientFlag('--endpoint <H:P,H:P>', 'coordinators of the cluster; where one does not answer the next is asked', hostPortList, ENDPOINT_DEFAULT),
    )
    .addOption(clientFlag('--patience-ms <INT>', 'how long to look for a coordinator that answers', integer(0, 86_400_000), PATIENCE_DEFAULT_MS))
    .option('--json', 'print it as JSON');
}

function coordinatorsOf(flags: JobFlags): Coordinators {
  return { endpoints: flags.endpoint, patienceMs: flags.patienceMs, ...defined({ tls: dialledTls(flags) }) };
}

/** Follows a job on whatever coordinator is there. Throws with its reason where it did not succeed. */
async function waitFor(coordinators: AnyCoordinator, jobId: string): Promise<JobInfo> {
  const bar = startProgress('job', 100, '%');
  try {
    const ended = await coordinators.ask(async (client) => {
      for await (const job of client.jobs.watch(jobId, coordinators)) {
        bar.update(Math.floor(100 * (job.evaluationsDone / Math.max(1, job.evaluationsTotal))), job.state);
        if (JOB_ENDED.has(job.state)) return job;
      }
      throw new GolddiffError('WORKER_LOST', `The watch of job ${jobId} ended before the job did`);
    });
    if (ended.state !== 'succeeded')
      throw new GolddiffError('CANCELLED', `Job ${jobId} ${ended.state === 'failed' ? `failed: ${ended.failure}` : 'was cancelled'}`);
    return ended;
  } finally {
    bar.stop();
  }
}

function print(job: JobInfo, { json }: JobFlags): void {
  const failure = job.failure === '' ? '' : `: ${job.failure}`;
  process.stdout.write(json ? `${JSON.stringify(job)}\n` : `${job.jobId} ${job.state} ${share(job)}, taken up ${job.deliveries} times${failure}\n`);
}

function share({ state, evaluationsDone, evaluationsTotal }: JobInfo): string {
  if (state === 'succeeded') return '100 %';
  return evaluationsTotal === 0 ? '0 %' : `${Math.floor((100 * evaluationsDone) / evaluationsTotal)} %`;
}

function timeOf(unixMs: number): string {
  return new Date(unixMs).toISOString().slice(0, 19).replace('T', ' ');
}
