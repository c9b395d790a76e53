// Runs the tests of the TensorFlow.js backend on its wasm engine, which is put into node_modules/.cache first: `npm ci` needs nothing of it.
// Ends with 77 where it cannot be had (no network).
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './stamps.mjs';

const PACKAGES = ['@tensorflow/tfjs-core@4.22.0', '@tensorflow/tfjs-backend-wasm@4.22.0', '@tensorflow/tfjs-backend-cpu@4.22.0'];
/** Of the registry: 66 MB take 5 s. */
const INSTALL_TIMEOUT_MS = 120_000;
const TESTS = ['backends/tfjs/', 'create-backend', 'integration/tfjs'];

const folder = process.env.GOLDDIFF_TFJS_FROM ?? path.join(root, 'node_modules/.cache/golddiff-tfjs');
if (!existsSync(path.join(folder, 'node_modules/@tensorflow/tfjs-core/package.json'))) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n');
  const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error', ...PACKAGES];
  const { status } = spawnSync('npm', args, { cwd: folder, stdio: 'inherit', timeout: INSTALL_TIMEOUT_MS });
  if (status !== 0) {
    process.stdout.write(`TensorFlow.js could not be installed: npm ${args.join(' ')} in ${path.relative(root, folder)}\n`);
    process.exit(77);
  }
}
const { status } = spawnSync(process.execPath, [path.join(root, 'scripts/run-tests.mjs'), ...TESTS], {
  stdio: 'inherit',
  env: { ...process.env, GOLDDIFF_TFJS_FROM: folder },
});
process.exit(status ?? 1);
