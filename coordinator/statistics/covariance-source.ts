/**
 * The covariance of a remote data set: taken from its source where somebody has put it there, and put there for the other coordinators where that can be written to.
 * Only a shortcut: whatever fails here, the covariance is made again. What is fetched is verified by whoever reads the file.
 */

import { randomUUID } from 'node:crypto';
import { access, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { DataSet } from '../../shared/dataset/data-set.js';
import { COVARIANCE_FILE } from '../../shared/dataset/manifest-validation.js';
import { asGolddiffError } from '../../shared/errors.js';
import { COVARIANCE_BYTES_MAX } from '../../shared/limits.js';
import type { Logger } from '../../shared/log.js';

/** Into the folder of the data set, where it is not yet. @throws only what the signal was aborted with */
export async function fetchCovariance({ dir, files, manifest }: DataSet, log: Logger, signal: AbortSignal): Promise<void> {
  if (files === undefined) return;
  const file = path.join(dir, COVARIANCE_FILE);
  const there = await access(file).then(
    () => true,
    () => false,
  );
  if (there) return;
  const temporary = `${file}.${randomUUID()}.partial`;
  try {
    const bytes = await files.optional(COVARIANCE_FILE, COVARIANCE_BYTES_MAX, signal);
    if (bytes === undefined) return;
    await writeFile(temporary, bytes);
    await rename(temporary, file);
    log.info({ dataSet: manifest.name, bytes: bytes.length }, 'covariance fetched');
  } catch (thrown) {
    await rm(temporary, { force: true }).catch(() => {});
    signal.throwIfAborted();
    log.warn({ dataSet: manifest.name, code: asGolddiffError(thrown).code }, `a covariance was not fetched: ${asGolddiffError(thrown).message}`);
  }
}

/** From the folder of the data set to its source. */
export async function offerCovariance({ dir, files, manifest }: DataSet, log: Logger): Promise<void> {
  if (files === undefined) return;
  try {
    await files.offer(COVARIANCE_FILE, await readFile(path.join(dir, COVARIANCE_FILE)));
  } catch (thrown) {
    log.warn({ dataSet: manifest.name }, `the covariance is not kept for others: ${asGolddiffError(thrown).message}`);
  }
}
