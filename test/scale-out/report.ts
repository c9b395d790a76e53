/** docs/SCALING.md and its pictures: nothing in it but what was measured in this run. */

import path from 'node:path';
import { makeFolder, writeFileAtomically } from '../../client/atomic-file.js';
import { markdownTable, readable, type Table } from '../../client/studies/table.js';
import { LEVELS } from './batches.js';
import { rowsOfWorkers, scalingChart, timelineChart } from './charts.js';
import type { ChangeReport } from './changing-fleet.js';
import { casesOf, type Check } from './checks.js';
import { sum, type BatchMeasurement } from './measure-batch.js';

export interface ScaleOutRun {
  readonly strong: readonly BatchMeasurement[];
  readonly weak: readonly BatchMeasurement[];
  readonly change: ChangeReport;
  readonly checks: readonly Check[];
  readonly cores: number;
  readonly node: string;
  readonly commit: string;
  readonly date: string;
  readonly command: string;
  /** of the last minute when the run began: what else the machine did */
  readonly loadAverage: number;
}

const IMAGES = { strong: 'scaling-strong.png', weak: 'scaling-weak.png', change: 'scaling-change.png' } as const;

/** Writes SCALING.md and images/, each file replaced as a whole. Gives their names. */
export async function writeReport(folder: string, run: ScaleOutRun): Promise<string[]> {
  const pictures = await picturesOf(run);
  await makeFolder(path.join(folder, 'images'));
  const files: [string, string | Buffer][] = [
    ...pictures.map(([name, png]): [string, Buffer] => [`images/${name}`, png]),
    ['SCALING.md', reportText(run)],
  ];
  for (const [file, content] of files) await writeFileAtomically(path.join(folder, file), content);
  return files.map(([file]) => file);
}

async function picturesOf({ strong, weak, change, cores }: ScaleOutRun): Promise<[string, Buffer][]> {
  const batch = strong[0]!.batch;
  const common = `One step of ${batch} queries; workers of one compute thread, all on one machine of ${cores} virtual cores`;
  const levels = `Drawn through: t = ${LEVELS[0]}, all partitions have a share of the mass. Dashed: t = ${LEVELS[1]}, a few have it all`;
  const strongChart = await scalingChart({
    title: `Strong scaling: ${number(strong[0]!.rows)} rows on W workers`,
    subtitles: [common, levels],
    measured: strong,
    relative: true,
  });
  const weakChart = await scalingChart({
    title: `Weak scaling: ${number(weak[0]!.rows / weak[0]!.workers)} rows for each of W workers`,
    subtitles: [common, levels],
    measured: weak,
    relative: false,
  });
  const timeline = await timelineChart({
    title: `Workers come and go while jobs run: ${route(change)}`,
    subtitles: [changeSettings(change)],
    moments: change.moments,
    changes: change.changes,
  });
  return [
    [IMAGES.strong, strongChart.png],
    [IMAGES.weak, weakChart.png],
    [IMAGES.change, timeline.png],
  ];
}

export function reportText(run: ScaleOutRun): string {
  const { strong, weak, change, checks, cores } = run;
  const held = checks.filter((c) => c.held).length;
  const sizes = sizesOf(strong);
  const text = [
    '# Scaling',
    `Made by \`${run.command}\` at commit ${run.commit} (${run.date}; ${cores} virtual cores, Node ${run.node}, backend ${change.backend}, load average ${run.loadAverage} at the start); do not edit. Rows are MNIST training images, queries are test ` +
      `images noised to t = ${LEVELS[0]} (much noise: all partitions have a share of the mass) and t = ${LEVELS[1]} (little: a few have it all). Figures are of one step: what the processes' ` +
      '`/metrics` ([METRICS.md](METRICS.md)) told before and after some dozens of them, divided by their number; wall time is the median that the client saw. Bytes are those of gRPC messages as serialised.',
    `${held} of ${checks.length} checks held. They are of bytes and counters, never of time: the same bytes of every answer on every number of workers; the same rows looked at by all workers together, 1/W of them by each; ` +
      'bytes sent at most W times those of one worker, bytes received at most as many times more as partials come; both ends of the wire count the same bytes; and what the last section says of jobs.',
    ...checks.filter((c) => !c.held).map((c) => `- **not held**: ${c.name} (${c.detail})`),
    `## Strong scaling: ${number(strong[0]!.rows)} rows on ${sizes.join(', ')} workers`,
    `![Strong scaling](images/${IMAGES.strong})`,
    casesOf(strong)
      .map((own) => strongSentence(own, sizes[0]!, sizes.at(-1)!))
      .join('\n'),
    markdownTable(figuresTable(strong)).trimEnd(),
    `All workers share ${cores} cores here, so the wall time of more than ${cores} says what coordination costs when there is nothing left to gain, and nothing about machines of their own; what such machines would gain ` +
      'is bounded by the CPU time of the busiest worker. *Partials* are the nodes of the merge tree that come over the wire: a worker merges what it holds as far as its partitions are neighbours, and ' +
      'placement deals small blocks so that load stays even. They, and not the rows, are what the coordinator merges.',
    `## Weak scaling: ${number(weak[0]!.rows / weak[0]!.workers)} rows for each worker`,
    `![Weak scaling](images/${IMAGES.weak})`,
    markdownTable(figuresTable(weak)).trimEnd(),
    `## Out and in while jobs run: ${route(change)}`,
    `${changeSettings(change)} Until the last change is done, jobs follow each other; each change waits until the one before has settled.`,
    `![Out and in](images/${IMAGES.change})`,
    markdownTable(changeTable(change)).trimEnd(),
    changeSentence(change),
  ];
  return `${text.join('\n\n')}\n`;
}

/** Means of one step. */
export function figuresTable(measured: readonly BatchMeasurement[]): Table {
  return {
    header: [
      ...['rows chosen', 't', 'workers', 'rows', 'busiest worker: rows', 'CPU ms', 'all workers: CPU ms', 'partials'],
      ...['KiB sent', 'KiB received', 'messages', 'coordinator: CPU ms', 'merge ms', 'wall ms'],
    ],
    rows: casesOf(measured)
      .flat()
      .map((m) => [
        ...[m.method, m.t, m.workers, number(m.rows), number(Math.max(...rowsOfWorkers(m))), readable(Math.max(...m.workerCpuMs))],
        ...[readable(sum(m.workerCpuMs)), m.partials, readable(m.sentBytes / 1024), readable(m.receivedBytes / 1024)],
        ...[readable(m.sentMessages + m.receivedMessages), readable(m.coordinatorCpuMs), readable(m.mergeMs), readable(m.wallMs)],
      ]),
  };
}

function strongSentence(own: readonly BatchMeasurement[], least: number, most: number): string {
  const at = (workers: number): BatchMeasurement => own.find((m) => m.workers === workers)!;
  const [one, two, many] = [at(least), own.find((m) => m.workers === 2), at(most)];
  const ratio = (of: (m: BatchMeasurement) => number): string => readable(of(many) / of(one));
  const share = (100 * Math.max(...rowsOfWorkers(many))) / Math.max(...rowsOfWorkers(one));
  const parts = [
    `${most} workers against ${least}: the busiest looks at ${readable(share)}% of the rows in ${readable((100 * Math.max(...many.workerCpuMs)) / Math.max(...one.workerCpuMs))}% of the CPU time`,
    `${ratio((m) => m.sentBytes + m.receivedBytes)} times the bytes, ${ratio((m) => m.coordinatorCpuMs)} times the coordinator's CPU time (${readable(one.coordinatorCpuMs)} to ${readable(many.coordinatorCpuMs)} ms), merge ${readable(one.mergeMs)} to ${readable(many.mergeMs)} ms`,
    ...(two === undefined ? [] : [`wall time with 2 workers ${readable(two.wallMs / one.wallMs)} of that with 1`]),
  ];
  return `- **${one.method}, t = ${one.t}**: ${parts.join('; ')}.`;
}

function changeSettings({ controlPlane, coordinators, replicas, rows, images }: ChangeReport): string {
  const durable = controlPlane === 'nats' ? 'durable jobs over NATS' : 'jobs in the memory of the coordinator, as nats-server is not installed';
  return `${number(rows)} rows, ${replicas === 1 ? 'one replica' : `${replicas} replicas`} of each partition, ${coordinators === 1 ? 'one coordinator' : `${coordinators} coordinators`}, ${durable}, ${images} images each.`;
}

export function changeTable({ changes }: ChangeReport): Table {
  return {
    header: ['workers', 'seconds', 'placements', 'jobs under way', 'evaluations meanwhile'],
    rows: changes.map((c) => [`${c.from} to ${c.to}`, readable((c.endMs - c.startMs) / 1000), c.epochs, c.jobs, number(c.evaluations)]),
  };
}

function changeSentence({ jobs, moments, end }: ChangeReport): string {
  const equal = jobs.filter((j) => j.state === 'succeeded' && j.equal).length;
  const coverage = Math.min(...moments.map((m) => m.coverage));
  return (
    `${equal} of ${jobs.length} jobs ended with the bytes of an undisturbed run on one worker; ${end.deliveriesAgain} deliveries after the first, ${Math.max(...end.deadLetters)} dead letters, ` +
    `${end.callsFailed} failed calls; coverage at ${moments.length} looks never below ${readable(coverage)}.`
  );
}

function route({ changes }: ChangeReport): string {
  return [changes[0]!.from, ...changes.map((c) => c.to)].join(' to ');
}

function sizesOf(measured: readonly BatchMeasurement[]): number[] {
  return [...new Set(measured.map((m) => m.workers))].sort((a, b) => a - b);
}

function number(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
