/** Flags of the coordinator; each is an environment variable too (GOLDDIFF_<FLAG>). */

import { hostname } from 'node:os';
import process from 'node:process';
import { Command, type Option } from 'commander';
import { commonFlags, flag, hostPortList, integer, text } from '../shared/config.js';
import { natsFlags, type NatsFlags } from '../shared/control-plane/nats/flags.js';
import { dataCacheFlags, type DataCacheFlags } from '../shared/dataset/data-flags.js';
import { dataLocation, LOCATION_FORMS, type DataLocation } from '../shared/dataset/sources/data-location.js';
import { argumentError } from '../shared/errors.js';
import {
  COORDINATOR_QUEUE_MAX,
  COORDINATOR_STEPS_MAX,
  DRAIN_TIMEOUT_MS,
  HEDGE_DELAY_MS_DEFAULT,
  HEDGE_PERCENT_DEFAULT,
  HEDGE_PERCENTILE_DEFAULT,
  LEAVE_NOTICE_MS,
  PARTITIONS_MAX,
  PLACEMENT_WAIT_MS,
  WORKERS_SETTLE_MS,
} from '../shared/limits.js';
import type { LogLevel } from '../shared/log.js';
import { tlsFlags, tlsServerNameFlag, type TlsFlags } from '../shared/rpc/tls-flags.js';
import { startWaitFlag, type StartWaitFlags } from '../shared/start-wait.js';

export interface CoordinatorConfig extends NatsFlags, DataCacheFlags, StartWaitFlags, TlsFlags {
  /** where the data set is: the manifest is read, and the covariance kept */
  readonly data: DataLocation;
  /** host:port of each worker; absent = they come by NATS */
  readonly workers?: readonly string[];
  /** workers to wait for before the first placement; with a list of workers it is their number */
  readonly expectedWorkers?: number;
  /** name of this coordinator among those of the cluster */
  readonly coordinatorId: string;
  /** replicas of each partition */
  readonly replicas: number;
  /** host:port of the public services */
  readonly listen: string;
  /** name that the certificates of workers have; absent = the host that each is dialled at */
  readonly tlsServerName?: string;
  /** host:port, or "off" */
  readonly metricsListen: string;
  readonly logLevel: LogLevel;
  /** where traces go; absent = nothing is traced */
  readonly otlpEndpoint?: string;
  readonly stepsMax: number;
  readonly queueMax: number;
  readonly placementWaitMs: number;
  /** hedges for each hundred requests to workers; 0 = none */
  readonly hedgePercent: number;
  readonly hedgePercentile: number;
  readonly hedgeDelayMs: number;
  readonly drainTimeoutMs: number;
  /** time between NOT_SERVING and "left" where the process is asked to leave */
  readonly leaveNoticeMs: number;
}

export function coordinatorFlags(): Option[] {
  const count = (name: string, description: string, low: number, high: number, fallback: number): Option =>
    flag({ name, placeholder: 'INT', description, parser: integer(low, high), fallback: String(fallback) });
  return [
    flag({ name: 'data', placeholder: 'WHERE', description: `the data set: ${LOCATION_FORMS}`, parser: dataLocation, mandatory: true }),
    ...dataCacheFlags(),
    flag({ name: 'workers', placeholder: 'H:P,H:P', description: 'addresses of the shard workers', parser: hostPortList }),
    ...natsFlags(),
    flag({
      name: 'expected-workers',
      placeholder: 'INT',
      description: `with --nats: the first placement waits ${WORKERS_SETTLE_MS / 1000} s for so many (default 1)`,
      parser: integer(1, PARTITIONS_MAX),
    }),
    flag({
      name: 'coordinator-id',
      placeholder: 'ID',
      description: 'name of this coordinator in the cluster',
      parser: text,
      fallback: `${hostname()}-${process.pid}`,
    }),
    count('replicas', 'workers that hold each partition', 1, 16, 1),
    commonFlags.listen('127.0.0.1:50051'),
    ...tlsFlags(),
    tlsServerNameFlag(),
    commonFlags.metricsListen('127.0.0.1:9464'),
    commonFlags.otlpEndpoint(),
    commonFlags.logLevel(),
    count('steps-max', 'steps that run at once', 1, 1024, COORDINATOR_STEPS_MAX),
    count('queue-max', 'steps that may wait for a place', 0, 65_536, COORDINATOR_QUEUE_MAX),
    count('placement-wait-ms', 'how long a step waits for partitions that nobody holds', 0, 600_000, PLACEMENT_WAIT_MS),
    count('hedge-percent', 'hedges for each hundred requests to workers; 0 = none', 0, 100, HEDGE_PERCENT_DEFAULT),
    count('hedge-percentile', 'a worker is late beyond this percentile of the times seen', 50, 99, HEDGE_PERCENTILE_DEFAULT),
    count('hedge-delay-ms', 'no hedge before this', 1, 600_000, HEDGE_DELAY_MS_DEFAULT),
    startWaitFlag(),
    count('leave-notice-ms', 'when asked to leave (SIGUSR2): how long it serves on, so that callers find others', 0, 600_000, LEAVE_NOTICE_MS),
    count('drain-timeout-ms', 'time for the work under way when the process is told to stop', 0, 3_600_000, DRAIN_TIMEOUT_MS),
  ];
}

/** A command whose action gets the parsed flags. */
export function coordinatorCommand(run: (config: CoordinatorConfig) => Promise<void>): Command {
  const command = new Command('coordinator').description('Serves scores and samples over shard workers.');
  for (const option of coordinatorFlags()) command.addOption(option);
  return command.action((options: CoordinatorConfig) => {
    if ((options.workers === undefined) === (options.nats === undefined))
      throw argumentError('the workers', 'either --workers H:P,H:P or --nats URL', options.nats === undefined ? 'neither' : 'both');
    return run(options);
  });
}
