/**
 * Saved indexes: partition-NNNNN.<first digits of the partition's sha256>.r<resolution>.hnsw, and beside it the same name with .json, which says what the
 * file must be. The library trusts what it reads, so a file is loaded only if its sha256 is the one that was noted when it was written.
 *
 * Both are written under temporary names and renamed, the note last: a process that dies between them leaves a file that nobody trusts, and workers that
 * build the same index at once write the same bytes.
 */

import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { HNSW_EF_CONSTRUCTION, HNSW_M, HNSW_SEED } from './index-parameters.js';

const VERSION = 1;
const SHA_PREFIX_CHARS = 16;
/** Where the folder of the data set cannot be written to. */
const READ_ONLY_CODES = new Set(['EROFS', 'EACCES', 'EPERM']);

/** Which index: it is as good as the content that it was built from and how. */
export interface IndexIdentity {
  readonly partition: number;
  /** of the partition's file, hex */
  readonly sha256: string;
  readonly resolution: number;
  /** n */
  readonly rows: number;
  /** d */
  readonly proxyValues: number;
}

interface IndexNote extends IndexIdentity {
  readonly version: number;
  readonly m: number;
  readonly efConstruction: number;
  readonly seed: number;
  readonly indexBytes: number;
  readonly indexSha256: string;
}

export function indexFileName({ partition, sha256, resolution }: IndexIdentity): string {
  return `partition-${String(partition).padStart(5, '0')}.${sha256.slice(0, SHA_PREFIX_CHARS)}.r${resolution}.hnsw`;
}

/** Folders to look in and to write to, in this order: that of the data set, then one of this user's own. */
export function indexFolders(dataSetDir: string): string[] {
  return [dataSetDir, path.join(tmpdir(), `golddiff-indexes-${ownUid()}`)];
}

/** A saved index that may be loaded; undefined where there is none. A file that is not what its note says is told to `onBad` and passed over. */
export async function findIndexFile(
  folders: readonly string[],
  identity: IndexIdentity,
  onBad: (reason: string) => void,
): Promise<string | undefined> {
  for (const folder of folders) {
    const file = path.join(folder, indexFileName(identity));
    const note = await readFile(`${file}.json`, 'utf8').catch(() => undefined);
    if (note === undefined) continue;
    const fault = await faultOf(file, note, identity);
    if (fault === undefined) return file;
    onBad(`${file}: ${fault}`);
  }
  return undefined;
}

async function faultOf(file: string, text: string, identity: IndexIdentity): Promise<string | undefined> {
  const found = parsedNote(text);
  if (found === undefined) return 'its note is not a JSON object';
  const wanted: Record<string, unknown> = { ...noteOf(identity) };
  const other = Object.keys(wanted).find((key) => (found as Record<string, unknown>)[key] !== wanted[key]);
  if (other !== undefined) return `its note has another ${other}`;
  if ((await lstat(file).catch(() => undefined))?.isFile() !== true) return 'it is not a file';
  const { size } = await stat(file);
  if (size !== found.indexBytes) return `it has ${size} bytes where its note says ${found.indexBytes}`;
  if ((await sha256Of(file)) !== found.indexSha256) return 'its sha256 is not the one in its note';
  return undefined;
}

function parsedNote(text: string): Partial<IndexNote> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Saves an index in the first folder that can be written to, and says where and how many bytes.
 * @param write writes the index to the path that it is given
 */
export async function saveIndexFile(
  folders: readonly string[],
  identity: IndexIdentity,
  write: (file: string) => void,
): Promise<{ readonly file: string; readonly bytes: number }> {
  let refused: unknown;
  for (const [i, folder] of folders.entries()) {
    const file = path.join(folder, indexFileName(identity));
    const temporary = `${file}.${randomUUID()}.partial`;
    try {
      if (i > 0) await ownFolder(folder);
      // The library says nothing where it cannot open the file; this does.
      await writeFile(temporary, '', { flag: 'wx', mode: 0o644 });
      write(temporary);
      const { size } = await stat(temporary);
      if (size < identity.rows * identity.proxyValues * 4) throw new Error(`${file}: the disk took only ${size} bytes of the index`);
      const note: IndexNote = { ...noteOf(identity), indexBytes: size, indexSha256: await sha256Of(temporary) };
      await writeFile(`${temporary}.json`, JSON.stringify(note), { flag: 'wx', mode: 0o644 });
      await rename(temporary, file);
      await rename(`${temporary}.json`, `${file}.json`);
      return { file, bytes: size };
    } catch (thrown) {
      await rm(temporary, { force: true });
      await rm(`${temporary}.json`, { force: true });
      if (!(thrown instanceof Error && 'code' in thrown && READ_ONLY_CODES.has(String(thrown.code)))) throw thrown;
      refused = thrown;
    }
  }
  throw refused;
}

/** Only this user may write there: whoever writes an index there decides what this process reads. */
async function ownFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== ownUid()) throw new Error(`${folder} is not a folder of this user`);
}

function noteOf({ partition, sha256, resolution, rows, proxyValues }: IndexIdentity) {
  return { version: VERSION, partition, sha256, resolution, rows, proxyValues, m: HNSW_M, efConstruction: HNSW_EF_CONSTRUCTION, seed: HNSW_SEED };
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Without a look at the list of users: that of a container may not have this one. Systems without numbers for users count as 0, as their files do. */
function ownUid(): number {
  return process.getuid?.() ?? 0;
}
