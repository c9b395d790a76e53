/** A data set whose files come from a source and pass through the disk cache of this machine. */

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { diskError, GolddiffError } from '../errors.js';
import { MANIFEST_BYTES_MAX } from '../limits.js';
import type { Places } from '../places.js';
import type { DataCache } from './cache/data-cache.js';
import type { DataSet, DataSetFiles } from './data-set.js';
import { MANIFEST_FILE, parseManifest } from './manifest-validation.js';
import type { Manifest } from './manifest.js';
import { fetchBytes, fetchFile, type FetchSettings } from './sources/fetch-file.js';

export interface RemoteSettings extends FetchSettings {
  /** what is made of data sets is kept in a folder of each under it */
  readonly homes: string;
  /** absent for a process that needs no partitions */
  readonly cache?: DataCache;
  /** of this process, for all its data sets */
  readonly places: Places;
}

/** @throws NOT_FOUND where the source has no such data set; FILE_INVALID; DATA_UNAVAILABLE; LIMIT_EXCEEDED */
export async function openRemoteDataSet(settings: RemoteSettings, signal: AbortSignal): Promise<DataSet> {
  const { source } = settings;
  const bytes = await fetchBytes({ name: MANIFEST_FILE }, MANIFEST_BYTES_MAX, settings, signal);
  if (bytes === undefined) throw new GolddiffError('NOT_FOUND', `Expected a data set with ${MANIFEST_FILE} at ${source.shown} but there is none`);
  const manifest = parseManifest(bytes.toString('utf8'), source.shownFile({ name: MANIFEST_FILE }));
  const dir = path.join(settings.homes, homeName(manifest));
  await mkdir(dir, { recursive: true }).catch((thrown: unknown) => {
    throw diskError(dir, thrown);
  });
  return { dir, manifest, files: filesOf(settings) };
}

/** One for each content: what is made of another is of no use. */
function homeName({ name, contentHash }: Manifest): string {
  return `${name}-${contentHash.slice(0, 16)}`;
}

function filesOf(settings: RemoteSettings): DataSetFiles {
  const { source, cache, places } = settings;
  return {
    take: async ({ file: name, sha256, bytes }, signal) => {
      if (cache === undefined) throw new GolddiffError('UNSUPPORTED', `This process keeps no partitions of ${source.shown}`);
      const file = { name, sha256, bytes };
      return places.run(() => cache.take(file, (part, makeRoom) => fetchFile(file, part, settings, signal, makeRoom), signal));
    },
    optional: (name, bytesMax, signal) => fetchBytes({ name }, bytesMax, settings, signal),
    offer: async (name, bytes) => source.put?.(name, bytes),
  };
}
