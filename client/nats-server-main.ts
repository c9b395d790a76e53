/**
 * A nats-server for a cluster on this machine, as a service of ours: ready when it listens, stopped in order, gone when its parent is.
 *   node nats-server-main.js STORE_FOLDER
 */

import { spawn } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as wait } from 'node:timers/promises';

import { GolddiffError } from '../shared/errors.js';
import { NATS_CONNECT_TIMEOUT_MS } from '../shared/limits.js';
import { runService, type RunningService } from '../shared/process-lifecycle.js';

const LOOK_MS = 20;

async function start(folder: string): Promise<RunningService> {
  await mkdir(folder, { recursive: true });
  // Any free port; the server writes which one it took.
  const child = spawn('nats-server', ['-a', '127.0.0.1', '-p', '-1', '-js', '-sd', folder, '--ports_file_dir', folder], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  process.on('exit', () => child.kill('SIGKILL'));
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(`ended ${signal === null ? `with status ${code}` : `by ${signal}`}`));
  });
  const portsFile = path.join(folder, `nats-server_${child.pid}.ports`);
  const address = await Promise.race([
    addressIn(portsFile),
    ended.then((how) => {
      throw new GolddiffError('CONTROL_PLANE_LOST', `nats-server did not start: ${how}`);
    }),
  ]);
  let stopping = false;
  void ended.then((how) => {
    if (!stopping) throw new Error(`nats-server ${how}`);
  });
  return {
    ready: { address },
    stop: async () => {
      stopping = true;
      child.kill('SIGTERM');
      await ended;
      await rm(portsFile, { force: true });
    },
  };
}

async function addressIn(portsFile: string): Promise<string> {
  const endMs = performance.now() + NATS_CONNECT_TIMEOUT_MS;
  for (;;) {
    try {
      const { nats } = JSON.parse(await readFile(portsFile, 'utf8')) as { nats: string[] };
      return new URL(nats[0]!).host;
    } catch (error) {
      if (performance.now() > endMs) throw new GolddiffError('CONTROL_PLANE_LOST', 'nats-server did not say where it listens', {}, { cause: error });
      await wait(LOOK_MS);
    }
  }
}

await runService(() => start(process.argv[2]!), { component: 'nats-server', logLevel: 'warn' });
