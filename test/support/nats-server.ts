/** Real nats-server processes for tests: free ports, stores in a temporary folder, nothing left behind. */

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePorts } from './free-ports.js';

/** Why tests that need the program skip; undefined where it is installed. */
export const natsMissing: string | undefined =
  spawnSync('nats-server', ['--version'], { stdio: 'ignore' }).status === 0
    ? undefined
    : 'nats-server is not installed (Debian: apt-get install nats-server)';

export interface NatsServer {
  /** 127.0.0.1:port */
  readonly address: string;
  readonly process: ChildProcess;
  /** Ends it at once. Resolves when it is gone. */
  kill(): Promise<void>;
  /** The same port and store again. */
  restart(): Promise<void>;
}

export interface NatsServers {
  readonly servers: readonly NatsServer[];
  readonly addresses: readonly string[];
  /** Ends all and removes their stores. */
  dispose(): Promise<void>;
}

const START_TIMEOUT_MS = 20_000;

// The runner ends a file that takes too long by this signal, at which Node would leave its children behind.
process.once('SIGTERM', () => process.exit(143));

export interface NatsOptions {
  /** address of the clients' port, default 127.0.0.1 */
  readonly host?: string;
  /** where the stores are, default the temporary folder */
  readonly within?: string;
  /** flags of nats-server for each */
  readonly more?: readonly string[];
}

/** One server, or a cluster of several, ready for connections. */
export async function startNats(count = 1, { host = '127.0.0.1', within = tmpdir(), more = [] }: NatsOptions = {}): Promise<NatsServers> {
  const folder = mkdtempSync(path.join(within, 'golddiff-nats-'));
  const ports = await freePorts(2 * count);
  const routes = ports.slice(count).map((port) => `nats://127.0.0.1:${port}`);
  const servers = await Promise.all(
    ports.slice(0, count).map((port, i) => {
      const store = path.join(folder, String(i));
      const single = ['-a', host, '-p', String(port), '-js', '-sd', store, ...more];
      const clustered = ['-n', `n${i}`, '-cluster_name', 'test', '-cluster', routes[i]!, '-routes', routes.join(',')];
      return startOne(host, port, count === 1 ? single : [...single, ...clustered]);
    }),
  );
  return {
    servers,
    addresses: servers.map(({ address }) => address),
    dispose: async () => {
      await Promise.all(servers.map((server) => server.kill()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startOne(host: string, port: number, args: readonly string[]): Promise<NatsServer> {
  const begin = async (): Promise<ChildProcess> => {
    const child = spawn('nats-server', args, { stdio: 'ignore' });
    process.once('exit', () => child.kill('SIGKILL'));
    await reachable(host, port, child);
    return child;
  };
  let child = await begin();
  return {
    address: `${host}:${port}`,
    get process() {
      return child;
    },
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    },
    restart: async () => {
      child = await begin();
    },
  };
}

async function reachable(host: string, port: number, child: ChildProcess): Promise<void> {
  const endMs = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, host);
      socket.once('data', () => resolve(true)).once('error', () => resolve(false));
      socket.once('data', () => socket.destroy());
    });
    if (open) return;
    if (child.exitCode !== null || performance.now() > endMs) throw new Error(`nats-server did not start on port ${port}, status ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
