/** The NATS server of a cluster on this machine: installed or not, where it keeps things, its process. */

import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { argumentError } from '../shared/errors.js';
import { EMBEDDED_STOP_TIMEOUT_MS, NATS_CONNECT_TIMEOUT_MS } from '../shared/limits.js';
import { ServiceProcess } from './service-process.js';

export interface LocalNats {
  /** host:port */
  readonly address: string;
  readonly pid: number;
  /** Resolves with a sentence when it is gone. */
  readonly exited: Promise<string>;
  stop(): Promise<void>;
}

/**
 * @param folder what it keeps; undefined = a temporary folder that goes with it
 * @throws ARGUMENT_INVALID where nats-server is not installed; CONTROL_PLANE_LOST where it does not start
 */
export async function startLocalNats(folder: string | undefined, signal?: AbortSignal): Promise<LocalNats> {
  if (spawnSync('nats-server', ['--version'], { stdio: 'ignore' }).status !== 0)
    throw argumentError('--nats', 'the URL of a NATS server, or nats-server on this machine (Debian: apt-get install nats-server)', 'neither');
  const store = folder ?? (await mkdtemp(path.join(tmpdir(), 'golddiff-nats-')));
  const clear = async (): Promise<void> => (folder === undefined ? rm(store, { recursive: true, force: true }) : undefined);
  try {
    const server = await ServiceProcess.start({
      name: 'nats server',
      program: path.join(path.dirname(fileURLToPath(import.meta.url)), 'nats-server-main.js'),
      args: [store],
      readyTimeoutMs: NATS_CONNECT_TIMEOUT_MS,
      ...(signal === undefined ? {} : { signal }),
    });
    return {
      address: server.address,
      pid: server.pid,
      exited: server.exited,
      stop: async () => {
        await server.stop(EMBEDDED_STOP_TIMEOUT_MS);
        await clear();
      },
    };
  } catch (error) {
    await clear();
    throw error;
  }
}
