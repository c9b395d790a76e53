// What an install and a build were made from, as one string each: they are stale when it changes.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

const SOURCE_FOLDERS = ['proto/golddiff', 'shared', 'coordinator', 'shard-worker', 'client', 'test'];
const SOURCE_FILES = ['tsconfig.json', 'package-lock.json', 'scripts/build.mjs', 'scripts/generate-proto-types.mjs'];

export function installStamp() {
  return digest(['package.json', 'package-lock.json'], `${process.version} ${process.platform} ${process.arch}`);
}

export function buildStamp() {
  const sources = SOURCE_FOLDERS.filter((folder) => existsSync(path.join(root, folder))).flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true })
      .filter((name) => /\.(ts|proto)$/.test(name))
      .map((name) => path.join(folder, name)),
  );
  return digest([...SOURCE_FILES, ...sources.sort()], '');
}

function digest(files, extra) {
  const hash = createHash('sha256').update(extra);
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(path.join(root, file)));
  return hash.digest('hex');
}
