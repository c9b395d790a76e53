import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../shared/package-root.js';

const SERVICES = ['coordinator', 'shard-worker', 'client'];
const LINES_MAX = 400;
/** Written so that this file does not hold the words it looks for. */
const BANNED = ['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK', 'mo' + 'ck', 'st' + 'ub', 'dum' + 'my', 'ut' + 'ils'];
/** Files that need no test of their own, each with the reason. */
const UNTESTED: Record<string, string> = {
  'shared/control-plane/control-plane.ts': 'types only; test/shared/control-plane/contract.ts holds its implementations to it',
  'shared/dataset/manifest.ts': 'types and a version number',
  'shared/limits.ts': 'constants',
  'shard-worker/backends/reference/compute-messages.ts': 'types only',
  'client/import/row-source.ts': 'types only; the sources that keep them have their tests',
  'shard-worker/backends/backend.ts': 'types only; conformance.ts holds its implementations to it',
  'shard-worker/backends/reference/step-partition.ts': 'types only',
  'shard-worker/backends/tfjs/tensor-ops.ts': 'types, and the names of packages',
  'shard-worker/backends/tfjs/device-thread.ts': 'entry of a worker thread; tfjs-backend.test.ts and conformance.ts run it',
  'shard-worker/backends/reference/compute-thread.ts': 'entry of a worker thread; reference-backend.test.ts and conformance.ts run it',
  'shard-worker/backends/cuda/cuda-addon.ts': 'types of the addon; every test of the CUDA backend runs it',
  'shared/native/native-addon.ts': 'types of the addon and the names of its instruction sets; every test of the native backend runs it',
  'shard-worker/candidates/hnsw-thread.ts': 'entry of a worker thread; candidate-indexes.test.ts runs it',
  'shard-worker/candidates/index-messages.ts': 'types of messages, and the places of two numbers; candidate-indexes.test.ts sends them',
  'coordinator/statistics/algebra-messages.ts': 'types only',
  'coordinator/statistics/algebra-thread.ts': 'entry of a worker thread; algebra.test.ts runs it',
  'coordinator/main.ts': 'wires and stops; test/integration starts it as a process',
  'shard-worker/main.ts': 'wires and stops; test/integration starts it as a process',
  'client/main-job.ts': 'the settings of the main job; test/client/demonstration runs the job on a small source',
  'client/nats-server-main.ts': 'entry of a process; local-nats.test.ts starts it',
  'client/main.ts': 'wires the commands; test/client/cli starts it as a process',
};

/** Files under version control or new, that git does not ignore; in a copy without git every file outside the built folders. */
function treeFiles(): string[] {
  try {
    const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: packageRoot, encoding: 'utf8' });
    return listed.split('\n').filter((f) => f !== '' && existsSync(path.join(packageRoot, f)));
  } catch {
    return readdirSync(packageRoot, { recursive: true, encoding: 'utf8' }).filter(
      (f) => !/^(node_modules|dist|out|data|\.git)\b|^proto\/generated/.test(f) && /\.\w+$/.test(f),
    );
  }
}

const files = treeFiles();
const sources = files.filter((f) => /^(shared|coordinator|shard-worker|client)\/.*\.ts$/.test(f));
const read = (file: string): string => readFileSync(path.join(packageRoot, file), 'utf8');

function importsOf(file: string): string[] {
  const found = read(file).matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g);
  return [...found].map((m) => path.posix.join(path.posix.dirname(file), m[1]!));
}

/** Broken import directions of a file: proto <- shared <- services, and no service imports another. */
export function wrongImports(file: string, imports: readonly string[]): string[] {
  const own = file.split('/')[0]!;
  const allowed: Record<string, string[]> = { shared: ['shared', 'proto'], ...Object.fromEntries(SERVICES.map((s) => [s, [s, 'shared', 'proto']])) };
  return imports.filter((i) => allowed[own] !== undefined && !allowed[own].includes(i.split('/')[0]!));
}

test('imports go proto <- shared <- services, and no service imports another', () => {
  assert.ok(sources.length > 20, 'the glob finds the sources');
  assert.deepEqual(wrongImports('shared/a.ts', ['client/b.js', 'shared/c.js']), ['client/b.js'], 'the check can fail');
  assert.deepEqual(wrongImports('coordinator/a.ts', ['shard-worker/b.js', 'proto/generated/x.js']), ['shard-worker/b.js']);
  const broken = sources.flatMap((f) => wrongImports(f, importsOf(f)).map((i) => `${f} -> ${i}`));
  assert.deepEqual(broken, []);
});

test('every source file has its test, at the same place under test/', () => {
  const tests = new Set(files.filter((f) => f.endsWith('.test.ts')));
  const missing = sources.filter((f) => !tests.has(`test/${f.replace(/\.ts$/, '.test.ts')}`) && UNTESTED[f] === undefined);
  assert.deepEqual(missing, []);
});

test('the list of files without a test names only files that exist and have none', () => {
  const idle = Object.keys(UNTESTED).filter(
    (f) => !existsSync(path.join(packageRoot, f)) || files.includes(`test/${f.replace(/\.ts$/, '.test.ts')}`),
  );
  assert.deepEqual(idle, []);
});

test('no banned word, path of a machine or registry host stands in the tree', () => {
  const words = new RegExp(`\\b(${BANNED.join('|')})s?\\b`);
  const hosts = /\b(?:registry|deb|security|pypi|files)\.[a-z]+\.(?:org|com|net|io)\b/;
  const own = [`${packageRoot}/`, `${homedir()}/`];
  const isPlace = (line: string): boolean => hosts.test(line) || own.some((folder) => line.includes(folder));
  assert.ok(
    words.test(`a ${BANNED[4]} here`) && isPlace(`see ${packageRoot}/a`) && isPlace(['registry', 'example', 'org'].join('.')),
    'the check can fail',
  );
  const texts = files
    .filter((f) => /\.(ts|mjs|js|json|md|proto|py|sh|ya?ml|cpp|h|cu)$/.test(f) || f === '.ci/run')
    .filter((f) => f !== 'test/tidy.test.ts' && f !== 'package-lock.json');
  const found = texts.flatMap((f) =>
    read(f)
      .split('\n')
      .flatMap((line, i) => (words.test(line) || isPlace(line) ? [`${f}:${i + 1}: ${line.trim().slice(0, 120)}`] : [])),
  );
  assert.deepEqual(found, []);
});

test(`no source file is longer than ${LINES_MAX} lines`, () => {
  const long = sources.map((f) => [f, read(f).split('\n').length] as const).filter(([, lines]) => lines > LINES_MAX);
  assert.deepEqual(long, []);
});

test('no service prints to the console outside the client', () => {
  const printing = sources.filter((f) => !f.startsWith('client/') && /\bconsole\./.test(read(f)));
  assert.deepEqual(printing, []);
});

test('relative imports name files that exist', () => {
  const gone = sources.flatMap((f) =>
    importsOf(f)
      .filter(
        (i) =>
          !i.startsWith('proto/generated/') &&
          !existsSync(path.join(packageRoot, i.replace(/\.js$/, '.ts'))) &&
          !existsSync(path.join(packageRoot, i)),
      )
      .map((i) => `${f} -> ${i}`),
  );
  assert.deepEqual(gone, []);
});
