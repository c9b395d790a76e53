/**
 * A service process for tests of what starts services: `node small-service.js BEHAVIOUR`.
 * ready | dies (before it is ready) | refuses (says why) | hangs (never ready) | flags (ready at the address that its first flag of Node is) | stubborn (ready, ignores SIGTERM) | fragile (ready, dies after 100 ms)
 */

import { GolddiffError } from '../../shared/errors.js';
import { runService } from '../../shared/process-lifecycle.js';

const behaviour = process.argv[2];
process.stderr.write(`${JSON.stringify({ msg: `I am ${behaviour}` })}\n`);
const alive = setInterval(() => {}, 1_000);
if (behaviour === 'dies') {
  process.stderr.write('the last words\n');
  process.exit(3);
}
if (behaviour !== 'hangs') {
  await runService(
    () => {
      // Before it says that it is ready: the parent may ask it to stop at once.
      if (behaviour === 'stubborn') process.removeAllListeners('SIGTERM').on('SIGTERM', () => {});
      if (behaviour === 'refuses') throw new GolddiffError('ADDRESS_IN_USE', 'Expected a free port but another process listens there');
      return Promise.resolve({
        ready: { address: behaviour === 'flags' ? (process.execArgv[0] ?? 'none') : '127.0.0.1:7', metricsAddress: '127.0.0.1:8' },
        stop: () => {
          clearInterval(alive);
          return Promise.resolve();
        },
      });
    },
    { component: 'small', logLevel: 'silent' },
  );
  if (behaviour === 'fragile') setTimeout(() => process.exit(4), 100);
}
