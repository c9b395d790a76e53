/** golddiff cluster: an embedded cluster in the foreground, until Ctrl-C. */

import { Command } from 'commander';

import { bytes, hostPort, integer, logLevel, text } from '../../shared/config.js';
import { clusterName } from '../../shared/control-plane/nats/flags.js';
import { natsSecurityArguments, type NatsSecurityFlags } from '../../shared/control-plane/nats/security.js';
import { natsServers, withoutSecrets } from '../../shared/control-plane/nats/server-address.js';
import { LOCATION_FORMS } from '../../shared/dataset/sources/data-location.js';
import { defined } from '../../shared/defined.js';
import { argumentError, GolddiffError } from '../../shared/errors.js';
import { EMBEDDED_COORDINATORS_MAX, EMBEDDED_SHARDS_MAX } from '../../shared/limits.js';
import type { LogLevel } from '../../shared/log.js';
import { CLIENT_TLS_FLAGS, dialledTls, type ClientTlsFlags } from '../dialled-tls.js';
import { EMBEDDED_SHARDS_DEFAULT, startEmbeddedCluster } from '../embedded-cluster.js';
import { listenForInterrupts } from '../interrupts.js';
import { deviceNames } from '../shared-devices.js';
import { checkCommand } from './cluster-check.js';
import { drainCommand, statusCommand } from './cluster-operations.js';
import { clientFlag } from './client-flag.js';
import { natsSecurityOptions } from './nats-flags.js';

interface ClusterFlags extends NatsSecurityFlags, Omit<ClientTlsFlags, 'tls'> {
  readonly plaintext?: boolean;
  readonly data?: string;
  readonly dataCache?: string;
  readonly dataCacheBytes?: number;
  readonly nats?: readonly string[] | true;
  readonly natsStore?: string;
  readonly clusterName?: string;
  readonly coordinators: number;
  readonly shards: number;
  readonly replicas: number;
  readonly listen: string;
  readonly computeThreads?: number;
  readonly backend?: string;
  readonly devices?: readonly string[];
  readonly logLevel: LogLevel;
  readonly json?: boolean;
}

const LISTEN_DEFAULT = '127.0.0.1:50051';

export function clusterCommand(): Command {
  const command = new Command('cluster')
    .enablePositionalOptions()
    .description('run a whole cluster on this machine in the foreground and print its endpoints; Ctrl-C ends it')
    .addOption(clientFlag('--data <WHERE>', `data set to serve: ${LOCATION_FORMS}`, text))
    .addOption(clientFlag('--data-cache <DIR>', 'for data that is not in a folder: where this machine keeps it', text))
    .addOption(clientFlag('--data-cache-bytes <BYTES>', 'what the cache may hold, such as 200Gi', bytes))
    .addOption(clientFlag('--shards <S>', 'shard workers', integer(1, EMBEDDED_SHARDS_MAX), String(EMBEDDED_SHARDS_DEFAULT)))
    .addOption(clientFlag('--replicas <R>', 'workers that hold each partition', integer(1, EMBEDDED_SHARDS_MAX), '1'))
    .addOption(clientFlag('--nats [URL,URL]', 'membership, placement and jobs over NATS; without a URL a nats-server is started', natsServers))
    .addOption(clientFlag('--nats-store <DIR>', 'what the nats-server that is started keeps (default: a temporary folder)', text))
    .addOption(clientFlag('--cluster-name <NAME>', 'with --nats: clusters of different names share servers without meeting', clusterName))
    .addOption(clientFlag('--coordinators <C>', 'coordinators; more than one needs --nats', integer(1, EMBEDDED_COORDINATORS_MAX), '1'))
    .addOption(clientFlag('--listen <HOST:PORT>', 'address of the coordinator; port 0 takes a free one', hostPort, LISTEN_DEFAULT))
    .addOption(clientFlag('--compute-threads <N>', 'threads of each worker (default: the cores divided among them, at least 2)', integer(1, 1024)))
    .addOption(clientFlag('--backend <NAME>', 'what workers compute on: auto, native, cuda, tfjs, reference', text, 'auto'))
    .addOption(
      clientFlag(
        '--devices <LIST>',
        'NVIDIA devices that the workers take turns at, such as 0,1 (default: those of CUDA_VISIBLE_DEVICES)',
        deviceNames,
      ),
    )
    .addOption(clientFlag('--log-level <LEVEL>', 'of all processes, to stderr', logLevel, 'warn'))
    .option('--json', 'print the endpoints as one line of JSON')
    .addCommand(statusCommand())
    .addCommand(drainCommand())
    .addCommand(checkCommand())
    .action(async (flags: ClusterFlags) => run(flags));
  for (const option of natsSecurityOptions()) command.addOption(option);
  // No environment variables: those say how to dial other clusters.
  for (const { name, placeholder, description } of CLIENT_TLS_FLAGS)
    command.addOption(clientFlag(`--${name} <${placeholder}>`, `of all processes: ${description}`, text));
  return command.option('--plaintext', 'plain text even where --listen is not loopback');
}

async function run(flags: ClusterFlags): Promise<void> {
  if (flags.data === undefined) throw argumentError('--data', 'the folder of a data set', 'nothing');
  if (flags.nats === undefined && (flags.natsStore ?? flags.clusterName) !== undefined)
    throw argumentError(flags.natsStore === undefined ? '--cluster-name' : '--nats-store', '--nats', 'none');
  if (flags.natsStore !== undefined && flags.nats !== true) throw argumentError('--nats-store', '--nats without a URL', 'one');
  const security = natsSecurityArguments(flags);
  if (security.length > 0 && !Array.isArray(flags.nats))
    throw argumentError(security[0]!, '--nats with a URL', flags.nats === undefined ? 'none' : 'no URL');
  const nats =
    flags.nats === undefined
      ? undefined
      : defined({ servers: flags.nats === true ? undefined : flags.nats, store: flags.natsStore, clusterName: flags.clusterName, security });
  const interrupts = listenForInterrupts();
  let coordinatorsLeft = flags.coordinators;
  let coordinatorDied: (sentence: string) => void = () => {};
  const lost = new Promise<string>((resolve) => (coordinatorDied = resolve));
  try {
    const cluster = await startEmbeddedCluster({
      dataDir: flags.data,
      ...defined({ dataCache: flags.dataCache, dataCacheBytes: flags.dataCacheBytes, backend: flags.backend, devices: flags.devices }),
      shards: flags.shards,
      replicas: flags.replicas,
      listen: flags.listen,
      logLevel: flags.logLevel,
      metrics: true,
      coordinators: flags.coordinators,
      signal: interrupts.signal,
      ...defined({ nats, tls: dialledTls(flags, {}), plaintext: flags.plaintext, computeThreads: flags.computeThreads }),
      onLogLine: (line) => void process.stderr.write(`${line}\n`),
      // Without one worker the cluster still says, request by request, what it lacks; without its coordinator it is none.
      onDeath: (sentence) => {
        process.stderr.write(`${sentence}\n`);
        if (sentence.startsWith('The coordinator') && --coordinatorsLeft === 0) coordinatorDied(sentence);
      },
    });
    try {
      const metrics = Object.fromEntries(cluster.metricsEndpoints);
      const natsPlaces = cluster.natsServers?.map(withoutSecrets);
      if (flags.json)
        process.stdout.write(`${JSON.stringify({ endpoint: cluster.endpoint, endpoints: cluster.endpoints, nats: natsPlaces, metrics })}\n`);
      else {
        const lines = Object.entries(metrics).map(([name, address]) => `metrics   http://${address}/metrics  (${name})`);
        process.stdout.write(
          `${[...cluster.endpoints.map((e) => `endpoint  ${e}`), ...(natsPlaces ?? []).map((n) => `nats      ${n}`), ...lines].join('\n')}\n`,
        );
      }
      const interrupted = new Promise<undefined>((resolve) => {
        interrupts.signal.addEventListener('abort', () => resolve(undefined), { once: true });
        if (interrupts.signal.aborted) resolve(undefined);
      });
      const death = await Promise.race([interrupted, lost]);
      if (death !== undefined) throw new GolddiffError('WORKER_LOST', 'The cluster ended because its coordinator did');
    } finally {
      await cluster.stop();
    }
  } finally {
    interrupts.release();
  }
}
