/**
 * golddiff health: asks the health service of a coordinator or a worker. It is for probes that cannot dial as a client must: Kubernetes' own gRPC probe has no TLS, and a
 * container engine runs a command. Status 0 where it serves, 1 with one sentence where it does not, 2 for bad arguments.
 */

import { Command } from 'commander';

import { again } from '../../shared/again.js';
import { hostPort, real, text } from '../../shared/config.js';
import { defined } from '../../shared/defined.js';
import { asGolddiffError, GolddiffError } from '../../shared/errors.js';
import { HEALTH_AGAIN_MS, HEALTH_CHECK_TIMEOUT_MS } from '../../shared/limits.js';
import { refusedForGood } from '../../shared/rpc/connection-failure.js';
import { dialledTls, type ClientTlsFlags } from '../dialled-tls.js';
import { connect, type GolddiffClient } from '../golddiff-client.js';
import { clientFlag } from './client-flag.js';
import { addTlsFlags } from './tls-flags.js';

interface HealthFlags extends ClientTlsFlags {
  readonly endpoint: string;
  readonly service?: string;
  /** seconds */
  readonly wait: number;
}

const WAIT_SECONDS_MAX = 86_400;

export function healthCommand(): Command {
  const command = new Command('health')
    .description('ask a coordinator or a shard worker whether it serves: status 0 where it does, 1 with one sentence otherwise')
    .addOption(clientFlag('--endpoint <HOST:PORT>', 'address of its gRPC server', hostPort).makeOptionMandatory())
    .addOption(clientFlag('--service <NAME>', 'one of its services, such as golddiff.v1.ScoreService (default: the server as a whole)', text))
    .addOption(clientFlag('--wait <SECONDS>', 'ask again until it serves, for so long', real(0, WAIT_SECONDS_MAX), '0'));
  return addTlsFlags(command).action(async (flags: HealthFlags) => {
    const tls = dialledTls(flags);
    const client = connect(flags.endpoint, defined({ tls }));
    try {
      await waitUntilServing(client, flags);
      process.stdout.write('SERVING\n');
    } finally {
      client.close();
    }
  });
}

async function waitUntilServing(client: GolddiffClient, { endpoint, service = '', wait }: HealthFlags): Promise<void> {
  const endMs = performance.now() + wait * 1000;
  const timeoutMs = (): number =>
    wait > 0 ? Math.min(HEALTH_CHECK_TIMEOUT_MS, Math.max(endMs - performance.now(), HEALTH_AGAIN_MS)) : HEALTH_CHECK_TIMEOUT_MS;
  await again(() => mustServe(client, endpoint, service, timeoutMs()), { endMs, everyMs: HEALTH_AGAIN_MS, while: mayPass });
}

/** One that is slow may only have started; everything else says of itself whether it may pass. */
function mayPass(thrown: unknown): boolean {
  return thrown instanceof GolddiffError && (thrown.code === 'DEADLINE_EXCEEDED' || (thrown.retryable && !refusedForGood(thrown)));
}

async function mustServe(client: GolddiffClient, endpoint: string, service: string, timeoutMs: number): Promise<void> {
  const what = service === '' ? endpoint : `${service} at ${endpoint}`;
  const status = await client.health(service, { timeoutMs }).catch((thrown: unknown) => {
    const error = asGolddiffError(thrown);
    if (error.code === 'DEADLINE_EXCEEDED') throw new GolddiffError(error.code, `${what} did not answer within ${Math.ceil(timeoutMs)} ms`);
    if (error.code === 'NOT_FOUND') throw new GolddiffError(error.code, `There is no service ${what}`);
    throw error;
  });
  if (status !== 'SERVING') throw new GolddiffError('DRAINING', `${what} does not serve: its health is ${status}`);
}
