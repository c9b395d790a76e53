/** golddiff cluster check: scores a batch on a running cluster and says whether the answer can be right. `helm test` runs it. */

import { Command } from 'commander';

import { again } from '../../shared/again.js';
import { hostPort, integer, text } from '../../shared/config.js';
import { defined } from '../../shared/defined.js';
import { GolddiffError } from '../../shared/errors.js';
import { BATCH_ROWS_MAX } from '../../shared/limits.js';
import { refusedForGood } from '../../shared/rpc/connection-failure.js';
import { checkCluster, type ClusterCheck } from '../cluster-check.js';
import { withClient, type ClientTarget } from '../with-client.js';
import { clientFlag } from './client-flag.js';
import { addTlsFlags } from './tls-flags.js';

interface CheckFlags extends ClientTarget {
  readonly batch: number;
  readonly dataSet?: string;
  readonly waitMs: number;
  readonly timeoutMs: number;
  readonly json?: boolean;
}

const ENDPOINT_DEFAULT = '127.0.0.1:50051';
const BATCH_DEFAULT = 8;
const TIMEOUT_DEFAULT_MS = 120_000;
const AGAIN_MS = 1_000;

export function checkCommand(): Command {
  return addTlsFlags(new Command('check'))
    .description('score a batch over gRPC and look whether the answer can be right; status 1 and one sentence where it cannot')
    .addOption(clientFlag('--endpoint <HOST:PORT>', 'any coordinator of the cluster', hostPort, ENDPOINT_DEFAULT))
    .addOption(clientFlag('--batch <B>', `queries, 1 to ${BATCH_ROWS_MAX}`, integer(1, BATCH_ROWS_MAX), String(BATCH_DEFAULT)))
    .addOption(clientFlag('--data-set <NAME>', 'data set to ask for, where the cluster serves several', text))
    .addOption(clientFlag('--wait-ms <INT>', 'how long to try again while the cluster is not there or not whole', integer(0, 86_400_000), '0'))
    .addOption(clientFlag('--timeout-ms <INT>', 'of each call', integer(1, 86_400_000), String(TIMEOUT_DEFAULT_MS)))
    .option('--json', 'print the result as JSON')
    .action(async (flags: CheckFlags) =>
      withClient(flags, async ({ client, signal }) => {
        const endMs = performance.now() + flags.waitMs;
        const options = { batch: flags.batch, timeoutMs: flags.timeoutMs, signal, ...defined({ dataSet: flags.dataSet }) };
        const check = await again(() => checkCluster(client, options), {
          endMs,
          everyMs: AGAIN_MS,
          while: (thrown) => thrown instanceof GolddiffError && thrown.retryable && !refusedForGood(thrown),
          onWait: (thrown) => process.stderr.write(`${(thrown as GolddiffError).message}; asked again\n`),
        });
        process.stdout.write(flags.json ? `${JSON.stringify(check)}\n` : checkText(check));
      }),
    );
}

export function checkText(check: ClusterCheck): string {
  const { endpoint, dataSet, rows, shape, batch, exactMs, goldenMs, goldenRows, repeatDifference } = check;
  return [
    `endpoint   ${endpoint}, SERVING`,
    `data set   ${dataSet}: ${rows} rows of [${shape.join(', ')}], all of them served`,
    `exact      ${batch} queries in ${exactMs.toFixed(1)} ms; asked twice, the answers differ by ${repeatDifference}`,
    `golden     ${batch} queries in ${goldenMs.toFixed(1)} ms, over ${goldenRows} rows`,
    '',
  ].join('\n');
}
