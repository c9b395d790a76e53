/** Which denoisers a study looks at: those that were named, or all that the cluster has. */

import type { Parser } from '../../shared/config.js';
import { argumentError, GolddiffError } from '../../shared/errors.js';
import type { DataSetInfo } from '../golddiff-client.js';
import { offeredDenoisers } from '../studies/fidelity.js';
import { DENOISERS, type Denoiser } from '../vocabulary.js';
import type { ClientSession } from '../with-client.js';

/** In place of names: whatever the cluster answers. */
export const OFFERED = 'offered';

export type DenoiserChoice = readonly Denoiser[] | typeof OFFERED;

export const denoiserList: Parser<DenoiserChoice> = (value, name) => {
  if (value === OFFERED) return OFFERED;
  const words = value.split(',').map((word) => word.trim());
  if (!words.every((word): word is Denoiser => Object.hasOwn(DENOISERS, word)) || new Set(words).size < words.length)
    throw argumentError(name, `${OFFERED}, or some of ${Object.keys(DENOISERS).join(', ')}, each once`, value);
  return words;
};

/** Throws ARGUMENT_INVALID for one that the cluster lacks, with those it has. Cost: one query each. */
export async function chosenDenoisers(choice: DenoiserChoice, { client, signal }: ClientSession, dataSet: DataSetInfo): Promise<readonly Denoiser[]> {
  const size = dataSet.shape.reduce((product, n) => product * n, 1);
  if (choice === OFFERED) return offeredDenoisers(client, dataSet.name, size, signal);
  for (const denoiser of choice) {
    try {
      await client.score({ x: new Float64Array(size), shape: [1, size], alpha: 1, sigma: 1, dataSet: dataSet.name, denoiser }, { signal });
    } catch (thrown) {
      if (!(thrown instanceof GolddiffError) || thrown.code !== 'UNSUPPORTED') throw thrown;
      const offered = await offeredDenoisers(client, dataSet.name, size, signal);
      throw argumentError('--denoiser', `a denoiser that this cluster has (${offered.join(', ')})`, denoiser);
    }
  }
  return choice;
}
