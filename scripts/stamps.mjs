// What an install and a build were made from, as one string each: they are stale when it changes.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

const SOURCE_FOLDERS = ['proto/golddiff', 'shared', 'coordinator', 'shard-worker', 'client', 'test'];
const NATIVE_FILES = ['scripts/build-native.mjs', 'scripts/native-sources.mjs'];
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

/** What a build of the native engine was made from. */
export function nativeStamp() {
  const folder = 'shard-worker/native';
  const sources = readdirSync(path.join(root, folder), { recursive: true })
    .filter((name) => !/^(build|test)\b/.test(name) && /\.(cpp|h|inc|gyp)$/.test(name))
    .map((name) => path.join(folder, name));
  return digest([...NATIVE_FILES, ...sources.sort()], `${process.version} ${process.platform} ${process.arch}`);
}

/** Written after every try: { stamp, failure? }; failure says in a few words why there is no addon. */
export const nativeAttemptFile = path.join(root, 'shard-worker/native/build/attempt.json');

export function nativeAttempt() {
  return existsSync(nativeAttemptFile) ? JSON.parse(readFileSync(nativeAttemptFile, 'utf8')) : undefined;
}

function digest(files, extra) {
  const hash = createHash('sha256').update(extra);
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(path.join(root, file)));
  return hash.digest('hex');
}
