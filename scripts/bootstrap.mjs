// The way in from a fresh clone, in plain Node: installs and builds what is missing or stale, then runs the job.
//   node scripts/bootstrap.mjs start|test|scale-out|faults|chart|dashboards|golddiff|prepare [ARGUMENTS]
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { installSystemPrograms } from './system-programs.mjs';
import { buildStamp, installStamp, nativeAttempt, nativeStamp, root } from './stamps.mjs';

const NODE_MAJOR_MIN = 20;
const PARENT_CHECK_MS = 500;
const JOBS = {
  start: 'dist/client/main-job.js',
  test: 'scripts/run-tests.mjs',
  'scale-out': 'dist/test/scale-out/main.js',
  faults: 'dist/test/faults/main.js',
  chart: 'scripts/run-tests.mjs',
  dashboards: 'dist/test/dashboards/main.js',
  golddiff: 'dist/client/main.js',
  prepare: undefined,
};

const [job, ...args] = process.argv.slice(2);
if (job === 'chart' && args.length === 0) args.push('chart/');
if (!Object.hasOwn(JOBS, job ?? '')) fail(2, `Expected one of ${Object.keys(JOBS).join(', ')} for the job but received ${job}`);
if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) fail(1, `Expected Node ${NODE_MAJOR_MIN} or later but this is ${process.version}`);

const installed = path.join(root, 'node_modules/.golddiff-install-stamp');
if (read(installed) !== installStamp()) {
  say('installing packages (npm ci)');
  const env = { ...process.env };
  // node-gyp builds against headers that are already here rather than fetch them.
  if (!env.npm_config_nodedir && existsSync('/usr/include/node/node.h')) env.npm_config_nodedir = '/usr';
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    env,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (npm.status !== 0) fail(1, 'npm ci failed, see above; a registry must be reachable for the first install');
  writeFileSync(installed, installStamp());
}
if (read(path.join(root, 'dist/.build-stamp')) !== buildStamp()) {
  say('building (proto types, TypeScript)');
  if (spawnSync(process.execPath, ['scripts/build.mjs'], { cwd: root, stdio: ['ignore', 2, 2] }).status !== 0) fail(1, 'the build failed, see above');
}
if (nativeAttempt()?.stamp !== nativeStamp() && process.env.GOLDDIFF_SKIP_NATIVE !== '1') {
  say('building the native engine');
  spawnSync(process.execPath, ['scripts/build-native.mjs'], { cwd: root, stdio: ['ignore', 2, 2] });
}
if (['test', 'scale-out', 'faults', 'chart', 'dashboards'].includes(job)) installSystemPrograms(job, say);
if (JOBS[job]) runJob(JOBS[job]);

/** Runs the job as a child that ends with this process, also where this process is killed (the IPC channel closes). */
function runJob(file) {
  const child = spawn(process.execPath, ['--enable-source-maps', path.join(root, file), ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  // A terminal sends Ctrl-C to both; a supervisor sends SIGTERM to this one only.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) child.kill('SIGTERM');
  }, PARENT_CHECK_MS).unref();
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)));
}

function read(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}
function say(text) {
  process.stderr.write(`golddiff: ${text}\n`);
}
function fail(status, text) {
  say(text);
  process.exit(status);
}
