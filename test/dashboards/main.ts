/**
 * npm run test:dashboards: a real cluster of processes (NATS, two coordinators, two workers, data over http), real calls, and a real Prometheus with the configuration
 * and the rules of deploy/, their times shortened (short-times.ts). Every target of every panel must return data, every label a value of its closed set; then a queue
 * is overloaded, workers and NATS are killed, and the alerts that are meant for that must fire, and none before.
 * Ends with status 77 where a program is missing.
 */

import { rm } from 'node:fs/promises';
import path from 'node:path';
import { COMMON_METRICS, COORDINATOR_METRICS, WORKER_METRICS, type Definition } from '../../shared/metric-tables.js';
import { importMnist, temporaryFolder } from '../support/data-sets.js';
import { startDataServer } from '../support/data-server.js';
import { Fleet } from '../support/fleet.js';
import { natsMissing, startNats } from '../support/nats-server.js';
import { startOtlpReceiver, type OtlpReceiver } from '../support/otlp-receiver.js';
import { filledIn, readDashboards } from '../support/operations-files.js';
import { prometheusMissing, startPrometheus, type RunningPrometheus } from '../support/prometheus.js';
import { until } from '../support/until.js';
import { manyCallers, mixedCallers, plainCallers } from './callers.js';
import { prometheusFiles, SHORT_WINDOW } from './short-times.js';

const ROWS = 4_000;
const PARTITIONS = 8;
const QUEUE_MAX = 4;
const CALLERS = 24;
/** Of a loaded slow machine; what is waited for comes in seconds. */
const PATIENCE_MS = 120_000;
const LOOK_MS = 500;
/** Ten evaluations of every rule, and twice the time that rates look back. */
const QUIET_MS = 20_000;
const startedMs = performance.now();

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const elapsed = (): string => `${((performance.now() - startedMs) / 1000).toFixed(0).padStart(4)} s`;
const releases: (() => Promise<unknown>)[] = [];

async function run(): Promise<void> {
  const dataDir = await importMnist(0, ROWS, PARTITIONS);
  const server = await startDataServer(dataDir);
  releases.push(() => server.close());
  const traces = await startOtlpReceiver();
  releases.push(() => traces.close());
  const nats = await startNats();
  releases.push(() => nats.dispose());
  const cache = path.join(temporaryFolder(), 'cache');
  releases.push(() => rm(cache, { recursive: true, force: true }));
  // Flags are environment variables too.
  Object.assign(process.env, {
    GOLDDIFF_DATA_CACHE: cache,
    GOLDDIFF_QUEUE_MAX: String(QUEUE_MAX),
    GOLDDIFF_STEPS_MAX: '1',
    GOLDDIFF_PLACEMENT_WAIT_MS: '100',
    GOLDDIFF_OTLP_ENDPOINT: traces.url,
  });
  const fleet = await Fleet.start({ dataDir: server.url, workers: 2, replicas: 2, coordinators: 2, nats: nats.addresses });
  releases.push(async () => {
    // Without NATS they would try for long to leave in order.
    await Promise.all(fleet.coordinators.map((each) => each.kill()));
    await fleet.stop();
  });
  const ofWorker = (id: string): string => fleet.workers.get(id)!.metricsAddress!;
  const workers = [...fleet.workers.keys()].sort();
  const targets = { coordinators: fleet.coordinators.map((each) => each.metricsAddress!), workers: workers.map(ofWorker) };
  const prometheus = await startPrometheus(prometheusFiles(targets));
  releases.push(() => prometheus.stop());
  say(`${elapsed()}  a cluster of two coordinators and two workers runs, and Prometheus`);

  const mixed = mixedCallers(fleet.clients);
  releases.push(() => mixed.stop());
  await everyPanel(prometheus);
  await exemplars(prometheus, traces);
  await closedLabels([...targets.coordinators, ...targets.workers]);
  await mixed.stop();
  say(`         calls so far: ${JSON.stringify(mixed.ended)}`);

  await quiet(prometheus);
  const many = manyCallers(fleet.client, CALLERS);
  releases.push(() => many.stop());
  await fired(prometheus, `${CALLERS} callers of a queue with ${QUEUE_MAX} places`, ['GolddiffQueueFills', 'GolddiffOverloaded']);
  await many.stop();

  const few = plainCallers(fleet.client);
  releases.push(() => few.stop());
  await fleet.killWorker(workers[0]!);
  await fired(prometheus, 'one of two workers killed', ['GolddiffWorkerDown', 'GolddiffPartitionsShort']);
  if ((await prometheus.firing()).some(({ alertname }) => alertname === 'GolddiffPartitionsMissing'))
    throw new Error('every partition has a replica left');
  await fleet.killWorker(workers[1]!);
  await fired(prometheus, 'the other one killed', ['GolddiffPartitionsMissing', 'GolddiffFaults']);
  await few.stop();
  await nats.servers[0]!.kill();
  await fired(prometheus, 'NATS killed', ['GolddiffControlPlaneLost']);
}

/** Resolves when every target of every panel has given data once. @throws with those that have not */
async function everyPanel(prometheus: RunningPrometheus): Promise<void> {
  const dashboards = readDashboards();
  const waiting = new Map<string, string>();
  for (const { file, panels } of dashboards)
    for (const { title, targets = [] } of panels)
      for (const { refId, expr } of targets) waiting.set(`${file}: ${title} ${refId}`, filledIn(expr, SHORT_WINDOW));
  const all = waiting.size;
  const endMs = performance.now() + PATIENCE_MS;
  while (waiting.size > 0) {
    for (const [name, expr] of waiting) if ((await prometheus.query(expr)).length > 0) waiting.delete(name);
    if (waiting.size === 0) break;
    if (performance.now() > endMs) throw new Error(`no data: ${[...waiting].map(([name, expr]) => `\n  ${name}: ${expr}`).join('')}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  for (const { file, panels } of dashboards) {
    const shown = panels.filter(({ targets }) => targets !== undefined);
    const questions = shown.reduce((sum, { targets }) => sum + targets!.length, 0);
    say(`${elapsed()}  ${file.padEnd(16)} ${String(shown.length).padStart(3)} panels, ${String(questions).padStart(3)} expressions: all return data`);
  }
  say(`         ${all} expressions of ${dashboards.length} dashboards`);
}

/** @throws naming a label with a value that its table does not list */
async function closedLabels(addresses: readonly string[]): Promise<void> {
  const definitions = new Map(
    [COMMON_METRICS, COORDINATOR_METRICS, WORKER_METRICS].flatMap((table) =>
      Object.values<Definition>(table).map((each) => [each.name, each] as const),
    ),
  );
  let series = 0;
  for (const address of addresses) {
    const text = await (await fetch(`http://${address}/metrics`)).text();
    for (const [line, name, labels = ''] of text.matchAll(/^(golddiff_\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? \S+$/gm)) {
      const definition = definitions.get(name!);
      if (definition === undefined) throw new Error(`no table has ${line}`);
      series++;
      for (const [, label, value] of labels.matchAll(/(\w+)="([^"]*)"/g)) {
        const allowed = label === 'le' ? [] : definition.values[label!];
        if (allowed === undefined || (allowed.length > 0 && !allowed.includes(value!))) throw new Error(`${label} of ${name} is ${value}: ${line}`);
      }
    }
  }
  say(`${elapsed()}  ${series} series of ${addresses.length} processes, every label with a value of its closed set`);
}

/** Prometheus has read exemplars, in the form of OpenMetrics, and they lead to traces that have arrived. */
async function exemplars(prometheus: RunningPrometheus, traces: OtlpReceiver): Promise<void> {
  for (const series of ['golddiff_coordinator_request_duration_seconds_bucket', 'golddiff_worker_compute_duration_seconds_bucket']) {
    await until(
      async () => {
        const now = Date.now() / 1000;
        const answer = (await prometheus.get(`/api/v1/query_exemplars?query=${series}&start=${now - 600}&end=${now + 60}`)) as {
          data: { exemplars: { labels: { trace_id: string } }[] }[];
        };
        const ids = answer.data.flatMap((each) => each.exemplars.map(({ labels }) => labels.trace_id));
        return ids.some((id) => traces.spans.some(({ traceId }) => traceId === id));
      },
      `an exemplar of ${series} that leads to a trace`,
      PATIENCE_MS,
    );
  }
  say(`${elapsed()}  exemplars of both processes lead to traces; ${traces.spans.length} spans so far`);
}

/** What the callers above caused may end first; then no alert may begin. @throws naming those that do */
async function quiet(prometheus: RunningPrometheus): Promise<void> {
  await until(async () => (await prometheus.firing()).length === 0, 'no alert fires in a cluster that is well', PATIENCE_MS);
  const beganMs = performance.now();
  while (performance.now() - beganMs < QUIET_MS) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const names = (await prometheus.firing()).map(({ alertname }) => alertname);
    if (names.length > 0) throw new Error(`${names.join(', ')} in a cluster that is well`);
  }
  say(`${elapsed()}  no alert fires for ${QUIET_MS / 1000} s`);
}

async function fired(prometheus: RunningPrometheus, what: string, names: readonly string[]): Promise<void> {
  const waiting = new Set(names);
  const beganMs = performance.now();
  await until(
    async () => {
      for (const { alertname } of await prometheus.firing()) {
        if (!waiting.delete(alertname!)) continue;
        say(`${elapsed()}  ${alertname} fires ${((performance.now() - beganMs) / 1000).toFixed(1)} s after: ${what}`);
      }
      return waiting.size === 0;
    },
    `${[...names].join(', ')} after ${what}`,
    PATIENCE_MS,
  );
}

// Children end with this process, and the bootstrap's channel is its life.
process.on('disconnect', () => process.exit(1));
process.channel?.unref();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
process.setMaxListeners(100);
const missing = prometheusMissing ?? natsMissing;
if (missing !== undefined) {
  say(missing);
  process.exitCode = 77;
} else {
  try {
    await run();
    say(`${elapsed()}  ok`);
  } catch (error) {
    say(`FAIL  ${error instanceof Error ? error.stack : String(error)}`);
    process.exitCode = 1;
  } finally {
    for (const release of releases.reverse()) await release().catch((error: unknown) => say(String(error)));
    process.exit();
  }
}
