/**
 * golddiff health: asks the health service of a coordinator or a worker. It is for probes that cannot dial as a client must: Kubernetes' own gRPC probe has no TLS, and a
 * container engine runs a command. Status 0 where it serves, 1 with one sentence where it does not, 2 for bad arguments.
 */

import { Command, Option } from 'commander';

import { hostPort, real, text } from '../../shared/config.js';
import { asGolddiffError, GolddiffError } from '../../shared/errors.js';
import { HEALTH_AGAIN_MS, HEALTH_CHECK_TIMEOUT_MS } from '../../shared/limits.js';
import { dialledTls, type ClientTlsFlags } from '../dialled-tls.js';
import { connect, type GolddiffClient } from '../golddiff-client.js';
import { addTlsFlags } from './tls-flags.js';

interface HealthFlags extends ClientTlsFlags {
  readonly endpoint: string;
  readonly service: string;
  /** seconds */
  readonly wait: number;
}

const WAIT_SECONDS_MAX = 86_400;

export function healthCommand(): Command {
  const command = new Command('health')
    .description('ask a coordinator or a shard worker whether it serves: status 0 where it does, 1 with one sentence otherwise')
    .addOption(
      new Option('--endpoint <HOST:PORT>', 'address of its gRPC server')
        .argParser((value: string) => hostPort(value, '--endpoint'))
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--service <NAME>', 'one of its services, such as golddiff.v1.ScoreService (default: the server as a whole)')
        .argParser((value: string) => text(value, '--service'))
        .default('', ''),
    )
    .addOption(
      new Option('--wait <SECONDS>', 'ask again until it serves, for so long')
        .argParser((value: string) => real(0, WAIT_SECONDS_MAX)(value, '--wait'))
        .default(0),
    );
  return addTlsFlags(command).action(async (flags: HealthFlags) => {
    const tls = dialledTls(flags);
    const client = connect(flags.endpoint, tls === undefined ? {} : { tls });
    try {
      await waitUntilServing(client, flags);
      process.stdout.write('SERVING\n');
    } finally {
      client.close();
    }
  });
}

async function waitUntilServing(client: GolddiffClient, { endpoint, service, wait }: HealthFlags): Promise<void> {
  const endMs = performance.now() + wait * 1000;
  for (;;) {
    const leftMs = endMs - performance.now();
    const failure = await whyNot(
      client,
      endpoint,
      service,
      wait > 0 ? Math.min(HEALTH_CHECK_TIMEOUT_MS, Math.max(leftMs, 1)) : HEALTH_CHECK_TIMEOUT_MS,
    );
    if (failure === undefined) return;
    if (performance.now() + HEALTH_AGAIN_MS >= endMs) throw failure;
    await new Promise((resolve) => setTimeout(resolve, HEALTH_AGAIN_MS));
  }
}

/** Undefined = it serves. */
async function whyNot(client: GolddiffClient, endpoint: string, service: string, timeoutMs: number): Promise<GolddiffError | undefined> {
  const what = service === '' ? endpoint : `${service} at ${endpoint}`;
  try {
    const status = await client.health(service, { timeoutMs });
    return status === 'SERVING' ? undefined : new GolddiffError('DRAINING', `${what} does not serve: its health is ${status}`);
  } catch (thrown) {
    const error = asGolddiffError(thrown);
    if (error.code === 'DEADLINE_EXCEEDED') return new GolddiffError(error.code, `${what} did not answer within ${Math.ceil(timeoutMs)} ms`);
    if (error.code === 'NOT_FOUND') return new GolddiffError(error.code, `There is no service ${what}`);
    return error;
  }
}
