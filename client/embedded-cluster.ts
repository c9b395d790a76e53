/**
 * A whole cluster on this machine: one coordinator, or several over NATS, and some shard workers, each a process of its own over loopback gRPC, as they would run apart.
 */

import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { dataLocation, OBJECT_STORE_PREFIX } from '../shared/dataset/sources/data-location.js';
import { argumentError } from '../shared/errors.js';
import { EMBEDDED_COORDINATORS_MAX, EMBEDDED_READY_TIMEOUT_MS, EMBEDDED_SHARDS_MAX, EMBEDDED_STOP_TIMEOUT_MS } from '../shared/limits.js';
import type { LogLevel } from '../shared/log.js';
import type { ClientTls } from './golddiff-client.js';
import { startLocalNats, type LocalNats } from './local-nats.js';
import { ServiceProcess } from './service-process.js';
import { dealtDevices, deviceEnvironment } from './shared-devices.js';
import { threadsOfEach } from './threads-of-each.js';

export interface EmbeddedClusterOptions {
  /** folder of a data set: the one that holds manifest.json; or http(s)://HOST/PATH/, or object-store:NAME with nats */
  readonly dataDir: string;
  /** see --data-cache and --data-cache-bytes, for data that is not in a folder; default: the processes' own */
  readonly dataCache?: string;
  readonly dataCacheBytes?: number;
  /** shard workers, 1 .. 64; default 4 */
  readonly shards?: number;
  /** workers that hold each partition, 1 .. shards; default 1 */
  readonly replicas?: number;
  /** membership, placement and jobs over NATS; default: in the one coordinator's memory */
  readonly nats?: EmbeddedNats;
  /** coordinators, 1 .. 16; more than one needs nats. Default 1 */
  readonly coordinators?: number;
  /** compute threads of each worker; default: the cores divided among the workers, and two where there are two */
  readonly computeThreads?: number;
  /** default 'auto' */
  readonly backend?: string;
  /** NVIDIA devices that the workers take turns at, by index or UUID; default: the several of CUDA_VISIBLE_DEVICES, if it names several */
  readonly devices?: readonly string[];
  /** budget of each worker for resident rows, in bytes; default: the worker's own */
  readonly deviceMemoryBytes?: number;
  /** address of the coordinator; default 127.0.0.1:0, any free port */
  readonly listen?: string;
  /** every process serves TLS, and the coordinators dial by it; certificates must be for 127.0.0.1, or for the server name. Default: plain text */
  readonly tls?: ClientTls;
  /** plain text even where `listen` is not loopback */
  readonly plaintext?: boolean;
  /** also serve /metrics of every process, on free ports; default false */
  readonly metrics?: boolean;
  /** default 'warn' */
  readonly logLevel?: LogLevel;
  /** gets every log line of every process */
  readonly onLogLine?: (line: string) => void;
  /** called once for each process that dies while the cluster runs */
  readonly onDeath?: (sentence: string) => void;
  /** loading and verifying the data counts; default 120000 */
  readonly readyTimeoutMs?: number;
  /** ends the start; a running cluster is ended by stop() */
  readonly signal?: AbortSignal;
}

export interface EmbeddedNats {
  /** nats://host:port; absent = a server of the cluster's own */
  readonly servers?: readonly string[];
  /** what the own server keeps; absent = a temporary folder that goes with it */
  readonly store?: string;
  /** see --cluster-name; default golddiff */
  readonly clusterName?: string;
  /** with servers: flags of TLS and credentials for every process, see natsSecurityArguments; their environment variables count too */
  readonly security?: readonly string[];
}

export interface EmbeddedCluster {
  /** host:port of the first coordinator's public API */
  readonly endpoint: string;
  /** of every coordinator */
  readonly endpoints: readonly string[];
  /** where NATS answers, if it is used */
  readonly natsServers: readonly string[] | undefined;
  /** name to host:port, where metrics were asked for */
  readonly metricsEndpoints: ReadonlyMap<string, string>;
  readonly workers: readonly { readonly name: string; readonly address: string; readonly pid: number }[];
  readonly coordinatorPid: number;
  readonly coordinatorPids: readonly number[];
  /** one sentence for each process that died by itself, oldest first */
  readonly deaths: readonly string[];
  /** Ends the coordinator, then the workers; what has not ended within the bound is killed. May be called again. */
  stop(): Promise<void>;
}

export const EMBEDDED_SHARDS_DEFAULT = 4;

/** Program of a service, next to the running build: dist/client/this file -> dist/<service>/main.js. */
export function serviceProgram(service: 'coordinator' | 'shard-worker'): string {
  return path.join(path.dirname(fileURLToPath(import.meta.url)), '..', service, 'main.js');
}

/** Errors: ARGUMENT_INVALID; FILE_INVALID for a bad data set; ADDRESS_IN_USE; INTERNAL, with the child's last log lines, where a process dies. */
export async function startEmbeddedCluster(options: EmbeddedClusterOptions): Promise<EmbeddedCluster> {
  const shards = options.shards ?? EMBEDDED_SHARDS_DEFAULT;
  if (!Number.isInteger(shards) || shards < 1 || shards > EMBEDDED_SHARDS_MAX)
    throw argumentError('shards', `a whole number from 1 to ${EMBEDDED_SHARDS_MAX}`, shards);
  const replicas = options.replicas ?? 1;
  if (!Number.isInteger(replicas) || replicas < 1 || replicas > shards)
    throw argumentError('replicas', `a whole number from 1 to ${shards}`, replicas);
  const coordinators = options.coordinators ?? 1;
  if (!Number.isInteger(coordinators) || coordinators < 1 || coordinators > (options.nats === undefined ? 1 : EMBEDDED_COORDINATORS_MAX))
    throw argumentError(
      'coordinators',
      options.nats === undefined ? '1, or NATS for more' : `a whole number from 1 to ${EMBEDDED_COORDINATORS_MAX}`,
      coordinators,
    );
  const location = dataLocation(options.dataDir, 'data');
  if (location.kind === 'object-store' && options.nats?.servers === undefined)
    throw argumentError('data', `NATS servers beside ${OBJECT_STORE_PREFIX}NAME`, 'none');
  if (location.kind === 'folder' && !existsSync(path.join(location.dir, 'manifest.json')))
    throw argumentError('data', 'a folder with manifest.json, made by golddiff dataset import,', options.dataDir);

  const threads = options.computeThreads ?? threadsOfEach(shards);
  const common = ['--data', options.dataDir, '--metrics-listen', options.metrics ? '127.0.0.1:0' : 'off', '--log-level', options.logLevel ?? 'warn'];
  if (options.dataCache !== undefined) common.push('--data-cache', options.dataCache);
  const { caFile, certFile, keyFile, serverName } = options.tls ?? {};
  for (const [name, file] of Object.entries({ ca: caFile, cert: certFile, key: keyFile })) if (file !== undefined) common.push(`--tls-${name}`, file);
  const deaths: string[] = [];
  const processes: ServiceProcess[] = [];
  let nats: LocalNats | undefined;
  let stopping = false;
  // Variables of NATS are meant for servers that the caller names, and not for one of our own or for none.
  // So are those of TLS: they say how to dial other clusters.
  const env = withoutVariablesOf('GOLDDIFF_TLS', 'GOLDDIFF_PLAINTEXT', ...(options.nats?.servers === undefined ? ['GOLDDIFF_NATS'] : []));

  const startOne = async (
    name: string,
    service: 'coordinator' | 'shard-worker',
    args: readonly string[],
    signal: AbortSignal,
    own: NodeJS.ProcessEnv = {},
  ): Promise<ServiceProcess> => {
    const started = await ServiceProcess.start({
      name,
      program: serviceProgram(service),
      args: [...args, ...common],
      env: { ...env, ...own },
      readyTimeoutMs: options.readyTimeoutMs ?? EMBEDDED_READY_TIMEOUT_MS,
      signal,
      ...(options.onLogLine === undefined ? {} : { onLogLine: options.onLogLine }),
    });
    processes.push(started);
    void started.exited.then(told);
    return started;
  };
  const told = (sentence: string): void => {
    if (stopping) return;
    deaths.push(sentence);
    options.onDeath?.(sentence);
  };

  const stop = async (): Promise<void> => {
    stopping = true;
    // The coordinator first: it finishes what it has under way, for which it needs the workers.
    await Promise.all(processes.filter((p) => p.name.startsWith('coordinator')).map((p) => p.stop(EMBEDDED_STOP_TIMEOUT_MS)));
    await Promise.all(processes.map((p) => p.stop(EMBEDDED_STOP_TIMEOUT_MS)));
    await nats?.stop();
  };

  const failed = new AbortController();
  const signal = options.signal === undefined ? failed.signal : AbortSignal.any([failed.signal, options.signal]);
  try {
    if (options.nats !== undefined && options.nats.servers === undefined) {
      nats = await startLocalNats(options.nats.store, signal);
      void nats.exited.then(told);
    }
    const natsServers = options.nats?.servers ?? (nats && [nats.address]);
    if (natsServers !== undefined) common.push('--nats', natsServers.join(','));
    if (options.nats?.servers !== undefined) common.push(...(options.nats.security ?? []));
    if (options.nats?.clusterName !== undefined) common.push('--cluster-name', options.nats.clusterName);
    const workerArgs = ['--listen', '127.0.0.1:0', '--backend', options.backend ?? 'auto', '--compute-threads', String(threads)];
    if (options.dataCacheBytes !== undefined) workerArgs.push('--data-cache-bytes', String(options.dataCacheBytes));
    if (options.deviceMemoryBytes !== undefined) workerArgs.push('--device-memory', String(options.deviceMemoryBytes));
    const devices = dealtDevices(options.devices, process.env);
    const starts = Array.from({ length: shards }, (_, i) =>
      startOne(`shard worker ${i}`, 'shard-worker', [...workerArgs, '--worker-id', `worker-${i}`], signal, deviceEnvironment(i, devices)),
    );
    // One that fails ends the start of the others, and the first failure is the one to report.
    const workers = await Promise.all(starts).catch(async (error: unknown) => {
      failed.abort();
      await Promise.allSettled(starts);
      throw error;
    });
    const who = natsServers === undefined ? ['--workers', workers.map((w) => w.address).join(',')] : ['--expected-workers', String(shards)];
    const dialling = [...(serverName === undefined ? [] : ['--tls-server-name', serverName]), ...(options.plaintext === true ? ['--plaintext'] : [])];
    const serving = await Promise.all(
      Array.from({ length: coordinators }, (_, i) => {
        const listen = i === 0 ? (options.listen ?? '127.0.0.1:0') : '127.0.0.1:0';
        const name = coordinators === 1 ? 'coordinator' : `coordinator ${i}`;
        const id = natsServers === undefined ? [] : ['--coordinator-id', `coordinator-${i}-${randomUUID().slice(0, 8)}`];
        return startOne(name, 'coordinator', ['--listen', listen, ...who, ...id, ...dialling, '--replicas', String(replicas)], signal);
      }),
    );
    const [coordinator] = serving as [ServiceProcess, ...ServiceProcess[]];
    const metrics = [...serving, ...workers].flatMap((p) => (p.metricsAddress === undefined ? [] : [[p.name, p.metricsAddress] as const]));
    return {
      endpoint: coordinator.address,
      endpoints: serving.map((c) => c.address),
      natsServers,
      metricsEndpoints: new Map(metrics),
      workers: workers.map(({ name, address, pid }) => ({ name, address, pid })),
      coordinatorPid: coordinator.pid,
      coordinatorPids: serving.map((c) => c.pid),
      deaths,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function withoutVariablesOf(...prefixes: string[]): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !prefixes.some((prefix) => name.startsWith(prefix))));
}
