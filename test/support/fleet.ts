/**
 * A cluster whose workers come and go: processes of their own over loopback gRPC, with /metrics of each. Over NATS workers register and leave by themselves; with a
 * static list the addresses of all that may ever come are given to the coordinator at the start, and those that are to leave are drained first.
 */

import { serviceProgram } from '../../client/embedded-cluster.js';
import { connect, type ClientTls, type GolddiffClient } from '../../client/golddiff-client.js';
import { ServiceProcess } from '../../client/service-process.js';
import { freePorts } from './free-ports.js';
import { ScrapedMetrics } from './scraped-metrics.js';
import { until } from './until.js';

export interface FleetOptions {
  readonly dataDir: string;
  /** workers at the start */
  readonly workers: number;
  /** with a static list: that may ever come; default: no more than at the start */
  readonly workersMax?: number;
  /** addresses of NATS servers; absent = a static list of workers */
  readonly nats?: readonly string[];
  /** copies of what NATS keeps; default 1 */
  readonly natsReplicas?: number;
  /** more than one needs nats */
  readonly coordinators?: number;
  readonly replicas?: number;
  /** of each worker, default 1 */
  readonly computeThreads?: number;
  /** every process serves and dials by it, and so do the clients; absent = plain text */
  readonly tls?: ClientTls;
  /** false = do not wait for every row to be served, and for every worker to have some; default true */
  readonly complete?: boolean;
  /** what is different with a worker, by its number */
  readonly workerOf?: (worker: number) => WorkerPlace;
}

export interface WorkerPlace {
  /** its own folder of the data set */
  readonly dataDir?: string;
  /** where it listens, default 127.0.0.1 */
  readonly host?: string;
  /** see ServiceProcess */
  readonly launcher?: readonly [string, ...string[]];
}

const READY_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 60_000;
const HOST = '127.0.0.1';

export class Fleet {
  /** by id, those that were not asked to leave */
  readonly workers = new Map<string, ServiceProcess>();
  readonly coordinators: ServiceProcess[] = [];
  readonly clients: GolddiffClient[] = [];
  /** port of each worker that may come, where the coordinator was given a list of them */
  readonly #ports: readonly number[];
  readonly #leaving = new Set<ServiceProcess>();
  #started = 0;

  static async start(options: FleetOptions): Promise<Fleet> {
    const ports = options.nats === undefined ? await freePorts(options.workersMax ?? options.workers) : [];
    const fleet = new Fleet(options, ports);
    try {
      await fleet.addWorkers(options.workers);
      await fleet.#startCoordinators();
      return fleet;
    } catch (error) {
      await fleet.stop();
      throw error;
    }
  }

  private constructor(
    private readonly options: FleetOptions,
    ports: readonly number[],
  ) {
    this.#ports = ports;
  }

  /** The first coordinator. */
  get client(): GolddiffClient {
    return this.clients[0]!;
  }

  /** Resolves with their ids when they serve; partitions come later, see `placed`. */
  async addWorkers(count: number): Promise<string[]> {
    const numbers = Array.from({ length: count }, () => this.#started++);
    await Promise.all(numbers.map((n) => this.#addWorker(n)));
    return numbers.map(idOf);
  }

  /** Ends one at once, as a machine that is switched off does; `addWorker` may bring it back. */
  async killWorker(id: string): Promise<void> {
    const worker = this.workers.get(id)!;
    this.workers.delete(id);
    await worker.kill();
  }

  /** One that was here before, under its id and, where the coordinator has a list, its address. */
  async restartWorker(id: string): Promise<void> {
    const n = Number(id.split('-')[1]);
    await this.#addWorker(n);
  }

  /** Another process in the place of coordinator i, under its name. */
  async restartCoordinator(i: number): Promise<void> {
    this.clients[i]!.close();
    const coordinator = await this.#startCoordinator(i);
    this.coordinators[i] = coordinator;
    this.clients[i] = this.connect(coordinator.address);
  }

  async #addWorker(n: number): Promise<void> {
    const args = ['--worker-id', idOf(n), '--listen', this.#listenOf(n), '--compute-threads', String(this.options.computeThreads ?? 1)];
    this.workers.set(idOf(n), await this.#start(`shard worker ${n}`, 'shard-worker', args, this.options.workerOf?.(n)));
  }

  /** Has them leave in order: their partitions move first. Resolves when they are gone. */
  async removeWorkers(ids: readonly string[]): Promise<void> {
    const going = ids.map((id) => this.workers.get(id)!);
    ids.forEach((id) => this.workers.delete(id));
    going.forEach((worker) => this.#leaving.add(worker));
    if (this.options.nats === undefined) {
      for (const id of ids) await this.client.cluster.drain(id);
      await until(
        async () => (await this.loads()).every(({ id, placed, openSteps }) => !ids.includes(id) || placed + openSteps === 0),
        'they are empty',
        STOP_TIMEOUT_MS,
      );
    }
    const inOrder = await Promise.all(going.map((worker) => worker.stop(STOP_TIMEOUT_MS)));
    if (inOrder.includes(false)) throw new Error('a worker that was told to stop did not end');
    going.forEach((worker) => this.#leaving.delete(worker));
  }

  /** A client of its own, with what is in the files by now. */
  connect(address: string): GolddiffClient {
    return connect(address, this.options.tls === undefined ? {} : { tls: this.options.tls });
  }

  /** Live workers as the first coordinator sees them. */
  async loads(): Promise<{ readonly id: string; readonly placed: number; readonly openSteps: number }[]> {
    const { workers } = await this.client.cluster.status();
    return workers.map(({ workerId, partitionsPlaced, openSteps }) => ({ id: workerId, placed: partitionsPlaced, openSteps }));
  }

  /** Resolves when every coordinator knows a placement on exactly the workers that are meant to be here, each of which has something. */
  async placed(withinMs = READY_TIMEOUT_MS): Promise<void> {
    const wanted = [...this.workers.keys()].sort().join();
    await until(
      async () => {
        const statuses = await Promise.all(this.clients.map((client) => client.cluster.status()));
        const holders = statuses.map(({ partitions }) => [...new Set(partitions.flatMap(({ replicas }) => replicas))].sort().join());
        return (
          holders.every((ids) => ids === wanted) &&
          statuses.every(({ coverage, workers }) => coverage === 1 && workers.every(({ draining }) => !draining))
        );
      },
      `partitions on ${wanted}`,
      withinMs,
    );
  }

  metricsOfCoordinators(): Promise<ScrapedMetrics[]> {
    return Promise.all(this.coordinators.map(({ metricsAddress }) => ScrapedMetrics.from(metricsAddress!)));
  }

  /** In the order of their ids. */
  metricsOfWorkers(): Promise<ScrapedMetrics[]> {
    const ids = [...this.workers.keys()].sort();
    return Promise.all(ids.map((id) => ScrapedMetrics.from(this.workers.get(id)!.metricsAddress!)));
  }

  async stop(): Promise<void> {
    this.clients.forEach((client) => client.close());
    await Promise.all(this.coordinators.map((c) => c.stop(STOP_TIMEOUT_MS)));
    await Promise.all(
      [...this.workers.values(), ...this.#leaving].map((w) => (this.options.nats === undefined ? w.stop(STOP_TIMEOUT_MS) : w.kill())),
    );
  }

  async #startCoordinators(): Promise<void> {
    for (let i = 0; i < (this.options.coordinators ?? 1); i++) {
      const coordinator = await this.#startCoordinator(i);
      this.coordinators.push(coordinator);
      this.clients.push(this.connect(coordinator.address));
    }
    if (this.options.complete !== false) await this.placed();
  }

  #startCoordinator(i: number): Promise<ServiceProcess> {
    const { nats, replicas, workers } = this.options;
    const who = nats === undefined ? ['--workers', this.#ports.map((_port, n) => this.#listenOf(n)).join()] : [];
    const args = [...who, '--listen', '127.0.0.1:0', '--replicas', String(replicas ?? 1), '--expected-workers', String(workers)];
    return this.#start(`coordinator ${i}`, 'coordinator', [...args, '--coordinator-id', `coordinator-${i}`]);
  }

  #listenOf(n: number): string {
    return `${this.options.workerOf?.(n).host ?? HOST}:${this.#ports[n] ?? 0}`;
  }

  #start(name: string, service: 'coordinator' | 'shard-worker', args: readonly string[], place: WorkerPlace = {}): Promise<ServiceProcess> {
    const { nats, natsReplicas = 1 } = this.options;
    const { dataDir = this.options.dataDir, host = HOST, launcher } = place;
    const plane = nats === undefined ? [] : ['--nats', nats.join(), '--nats-replicas', String(natsReplicas)];
    const { caFile = '', certFile = '', keyFile = '' } = this.options.tls ?? {};
    const tls =
      this.options.tls === undefined ? (host === HOST ? [] : ['--plaintext']) : ['--tls-ca', caFile, '--tls-cert', certFile, '--tls-key', keyFile];
    return ServiceProcess.start({
      name,
      program: serviceProgram(service),
      args: [...args, ...plane, ...tls, '--data', dataDir, '--metrics-listen', `${host}:0`, '--log-level', 'error'],
      readyTimeoutMs: READY_TIMEOUT_MS,
      ...(launcher && { launcher }),
    });
  }
}

function idOf(n: number): string {
  return `worker-${String(n).padStart(2, '0')}`;
}
