// proto -> types -> dist/. Starts from an empty dist/, so that nothing built from a deleted source is left to run.
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { buildStamp, root } from './stamps.mjs';

const stamp = buildStamp();
rmSync(path.join(root, 'dist'), { recursive: true, force: true });
run('scripts/generate-proto-types.mjs');
run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.json');
writeFileSync(path.join(root, 'dist/.build-stamp'), stamp);

function run(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
