// Builds the native engine into shard-worker/native/build/Release. Runs as the package's install script and as npm run build:native.
// A machine that cannot build it still installs: the reason is printed, kept for the worker's log, and the status is 0. With --strict it is 1.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { nativeFolder } from './native-sources.mjs';
import { nativeAttemptFile, nativeStamp } from './stamps.mjs';

const LOG_CHARS_MAX = 6_000;
const strict = process.argv.includes('--strict');
const addon = path.join(nativeFolder, 'build/Release/golddiff_native.node');

if (process.env.GOLDDIFF_SKIP_NATIVE === '1') {
  say('GOLDDIFF_SKIP_NATIVE=1: the native engine is not built');
  process.exit(0);
}
const stamp = nativeStamp();

const startedMs = Date.now();
// A changed contract must never meet the old addon.
rmSync(addon, { force: true });
const failure = build();
mkdirSync(path.dirname(nativeAttemptFile), { recursive: true });
writeFileSync(nativeAttemptFile, JSON.stringify({ stamp, ...(failure && { failure: failure.reason }) }));
if (failure === undefined) {
  say(`native engine built in ${((Date.now() - startedMs) / 1000).toFixed(1)} s`);
} else {
  say(
    [
      '',
      '='.repeat(100),
      failure.log.slice(-LOG_CHARS_MAX).trim(),
      '='.repeat(100),
      `THE NATIVE ENGINE WAS NOT BUILT: ${failure.reason}.`,
      'golddiff works without it on the reference backend, many times slower.',
      'It needs python3, make, a C++17 compiler (Debian: apt-get install python3 make g++) and Node headers: those of nodejs.org, which node-gyp',
      'downloads, or a folder with include/node/node.h named by npm_config_nodedir (Debian: apt-get install libnode-dev, then /usr).',
      'Then: npm run build:native',
      '',
    ].join('\n'),
  );
  if (strict) process.exit(1);
}

/** undefined = built; else a reason in a few words, and what the tools printed. */
function build() {
  let gyp;
  try {
    gyp = path.join(path.dirname(createRequire(import.meta.url).resolve('node-gyp/package.json')), 'bin/node-gyp.js');
  } catch (error) {
    return { reason: 'node-gyp is not installed', log: String(error) };
  }
  const env = { ...process.env };
  // node-gyp builds against headers that are already here rather than fetch them.
  if (!env.npm_config_nodedir && existsSync('/usr/include/node/node.h')) env.npm_config_nodedir = '/usr';
  const jobs = String(availableParallelism());
  const run = spawnSync(process.execPath, [gyp, 'configure', 'build', '--release', '--jobs', jobs, '--loglevel', 'warn'], {
    cwd: nativeFolder,
    env,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const log = `${run.stdout}\n${run.stderr}`;
  if (run.status !== 0 || !existsSync(addon)) return { reason: reasonOf(log), log };
  if (/warning:/.test(log)) process.stderr.write(log);
  // Loaded in another process: an addon that ends its process must not end this one.
  const load = spawnSync(process.execPath, ['-e', `process.stdout.write(require(${JSON.stringify(addon)}).detect().isas.join())`], {
    encoding: 'utf8',
  });
  if (load.status === 0) return undefined;
  rmSync(addon, { force: true });
  return { reason: 'it was built but does not load', log: load.stderr };
}

function reasonOf(log) {
  if (/find Python/i.test(log)) return 'python3 was not found';
  if (/not found: make|make: not found|ENOENT.*make/.test(log)) return 'make was not found';
  if (/(g\+\+|c\+\+|clang\+\+): (command )?not found|No such file or directory.*g\+\+/.test(log)) return 'no C++ compiler was found';
  if (/nodejs\.org|headers|node\.h/.test(log)) return "Node's headers were not found";
  return 'its sources did not compile';
}

function say(text) {
  process.stderr.write(text === '' ? '\n' : `${text.startsWith('\n') ? '' : 'golddiff: '}${text}\n`);
}
