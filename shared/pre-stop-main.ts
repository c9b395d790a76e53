/** Entry of the preStop hook: node dist/shared/pre-stop-main.js */

import process from 'node:process';
import { EXIT_USAGE } from './config.js';
import { GolddiffError } from './errors.js';
import { leaveBeforeStop, preStopOf } from './pre-stop.js';

try {
  process.stderr.write(`${await leaveBeforeStop(preStopOf(process.env))}\n`);
} catch (thrown) {
  if (!(thrown instanceof GolddiffError)) throw thrown;
  process.stderr.write(`${thrown.message}\n`);
  process.exitCode = EXIT_USAGE;
}
