// TypeScript types of proto/golddiff/v1 into proto/generated, from the .proto files alone.
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const tool = path.join(path.dirname(createRequire(import.meta.url).resolve('@grpc/proto-loader')), '..', 'bin', 'proto-loader-gen-types.js');
const files = readdirSync(path.join(root, 'proto/golddiff/v1')).map((f) => `golddiff/v1/${f}`);
rmSync(path.join(root, 'proto/generated'), { recursive: true, force: true });
const args = [
  '--longs=Number',
  '--enums=String',
  '--bytes=Buffer',
  '--defaults',
  '--oneofs',
  '--grpcLib=@grpc/grpc-js',
  '--importFileExtension=.js',
  '--includeDirs=proto',
  '--outDir=proto/generated',
];
const run = spawnSync(process.execPath, [tool, ...args, ...files], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
process.exit(run.status ?? 1);
