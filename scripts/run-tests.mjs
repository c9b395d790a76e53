// Runs the built tests and ends with one line: N passed, N failed, N skipped. Arguments are parts of file names to run.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { run } from 'node:test';
import { root } from './stamps.mjs';

/** Files at once: many wait for leases and servers more than they compute. */
const AT_ONCE = 2;
/** These have the machine to themselves: clusters of processes with deadlines, and answers that must come within a time. */
const ALONE = ['integration/', 'examples/', 'faults/', 'scale-out/', 'shard-worker/shard-service.test.js'];
/** One file; the longest build images and start whole clusters. */
const FILE_TIMEOUT_MS = 600_000;

/** Run only where they are named: a gate of their own, `npm run test:chart`. */
const APART = ['chart/'];

const wanted = process.argv.slice(2);
const folder = path.join(root, 'dist/test');
const files = readdirSync(folder, { recursive: true })
  .filter((name) => name.endsWith('.test.js'))
  .filter((name) => (wanted.length === 0 ? !APART.some((start) => name.startsWith(start)) : wanted.some((part) => name.includes(part))))
  .sort()
  .map((name) => path.join(folder, name));
if (files.length === 0) {
  process.stderr.write(`golddiff: Expected a part of a test file's name but received ${wanted.join(' ')}\n`);
  process.exit(2);
}
// The CUDA engine for the device that tests emulate: once, before several files want it.
if (files.some((name) => name.includes('/backends/'))) {
  const built = spawnSync(process.execPath, [path.join(root, 'scripts/build-cuda.mjs'), '--emulated'], {
    encoding: 'utf8',
    timeout: FILE_TIMEOUT_MS,
  });
  process.stderr.write(built.stderr);
  if (built.status !== 0) process.env.GOLDDIFF_EMULATED_CUDA_FAILED = built.stderr.trim().split('\n').at(-1) || 'it took too long';
}

// The main job's bootstrap gives an IPC channel; when it closes, its process is gone and so should we be.
process.on('disconnect', () => process.exit(143));
process.channel?.unref();

const counts = { passed: 0, failed: 0, skipped: 0 };
const failures = [];
const skips = [];
let file = '';

const isAlone = (name) => ALONE.some((start) => path.relative(folder, name).startsWith(start));
async function* events() {
  const [alone, others] = [files.filter(isAlone), files.filter((name) => !isAlone(name))];
  if (others.length > 0) yield* run({ files: others, concurrency: AT_ONCE, timeout: FILE_TIMEOUT_MS });
  if (alone.length > 0) yield* run({ files: alone, concurrency: 1, timeout: FILE_TIMEOUT_MS });
}
for await (const { type, data } of events()) {
  if ((type === 'test:pass' || type === 'test:fail') && data.file && data.file !== file) {
    file = data.file;
    process.stdout.write(`${path.relative(root, file)}\n`);
  }
  if (type === 'test:diagnostic' && data.nesting > 0) process.stdout.write(`      ${data.message}\n`);
  else if (type === 'test:diagnostic' && data.file) process.stdout.write(`      ${data.message}\n`);
  else if (type === 'test:stderr') process.stdout.write(data.message);
  else if ((type === 'test:pass' || type === 'test:fail') && data.details?.type !== 'suite') {
    const pad = '  '.repeat(data.nesting + 1);
    if (data.skip !== undefined || data.todo !== undefined) {
      counts.skipped++;
      const reason = typeof data.skip === 'string' ? `: ${data.skip}` : '';
      skips.push(`${data.name}${reason}`);
      process.stdout.write(`${pad}skip  ${data.name}${reason}\n`);
    } else if (type === 'test:pass') {
      counts.passed++;
      process.stdout.write(`${pad}ok    ${data.name}  ${Math.round(data.details.duration_ms)} ms\n`);
    } else {
      counts.failed++;
      const error = data.details.error;
      const text = `${data.file ? path.relative(root, data.file) : ''}: ${data.name}\n${error?.cause?.stack ?? error?.stack ?? error}`;
      failures.push(text);
      process.stdout.write(`${pad}FAIL  ${data.name}\n${String(error?.cause?.stack ?? error?.stack ?? error).replace(/^/gm, `${pad}      `)}\n`);
    }
  }
}
if (failures.length > 0) process.stdout.write(`\nFailures\n${failures.join('\n\n')}\n`);
if (skips.length > 0) process.stdout.write(`\nSkipped\n${skips.map((s) => `  ${s}`).join('\n')}\n`);
process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
process.exit(counts.failed > 0 || counts.passed === 0 ? 1 : 0);
