/**
 * DIR/covariance.safetensors: `mean` f64 [D] and `covariance` f64 [D, D] of a whole data set, kept beside it once they were needed. Not in the statistics
 * file, whose hash the manifest holds: this one is made later, and is worth nothing but time. Its metadata name the content that it was made of and the
 * hash of its tensors; whatever is wrong with it, it is made again.
 */

import { createHash, randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { COVARIANCE_FILE } from '../../shared/dataset/manifest-validation.js';
import type { Manifest } from '../../shared/dataset/manifest.js';
import { decodeSafetensors, encodeSafetensors, headerLength, headerMetadata } from '../../shared/dataset/safetensors.js';
import type { Covariance } from '../../shared/math/moment-sums.js';

const PREFIX_BYTES = 8;
/** Hashed between two turns of the event loop: a few milliseconds. */
const HASH_SLICE_BYTES = 4 * 1024 * 1024;

async function metadataOf(manifest: Manifest, { mean, covariance }: Omit<Covariance, 'rows'>): Promise<Record<string, string>> {
  const hash = createHash('sha256');
  for (const values of [mean, covariance]) {
    for (let from = 0; from < values.byteLength; from += HASH_SLICE_BYTES) {
      hash.update(new Uint8Array(values.buffer, values.byteOffset + from, Math.min(HASH_SLICE_BYTES, values.byteLength - from)));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return { content_hash: manifest.contentHash, tensors_sha256: hash.digest('hex') };
}

/**
 * Undefined where there is none that fits the data set.
 * @param onBad told why a file that is there is passed over
 */
export async function readCovarianceFile(dir: string, manifest: Manifest, onBad: (reason: string) => void): Promise<Covariance | undefined> {
  const file = path.join(dir, COVARIANCE_FILE);
  const contents = await readFile(file).catch(() => undefined);
  if (contents === undefined) return undefined;
  try {
    const D = manifest.shape.reduce((product, n) => product * n, 1);
    const tensors = decodeSafetensors(contents, file);
    const values = (name: string, shape: readonly number[]): Float64Array => {
      const tensor = tensors.get(name);
      if (tensor?.dtype !== 'F64' || tensor.shape.join() !== shape.join()) throw new Error(`it has no tensor ${name} of F64 [${shape.join(', ')}]`);
      const shared = new Float64Array(new SharedArrayBuffer(tensor.data.byteLength));
      shared.set(new Float64Array(tensor.data));
      return shared;
    };
    const found = { rows: manifest.rows, mean: values('mean', [D]), covariance: values('covariance', [D, D]) };
    const length = headerLength(contents.subarray(0, PREFIX_BYTES), file, contents.length);
    const noted = headerMetadata(contents.subarray(PREFIX_BYTES, PREFIX_BYTES + length));
    const wrong = Object.entries(await metadataOf(manifest, found)).find(([key, value]) => noted[key] !== value);
    if (wrong !== undefined) throw new Error(`it has another ${wrong[0]}`);
    return found;
  } catch (thrown) {
    onBad(`${file}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    return undefined;
  }
}

/** Rejects where the folder cannot be written to. Whole or not at all. */
export async function writeCovarianceFile(dir: string, manifest: Manifest, { mean, covariance }: Covariance): Promise<void> {
  const D = mean.length;
  const tensors = [
    { name: 'mean', dtype: 'F64' as const, shape: [D], data: mean },
    { name: 'covariance', dtype: 'F64' as const, shape: [D, D], data: covariance },
  ];
  const file = path.join(dir, COVARIANCE_FILE);
  const temporary = `${file}.${randomUUID()}.partial`;
  try {
    await writeFile(temporary, encodeSafetensors(tensors, await metadataOf(manifest, { mean, covariance })));
    await rename(temporary, file);
  } catch (thrown) {
    await rm(temporary, { force: true }).catch(() => {});
    throw thrown;
  }
}
