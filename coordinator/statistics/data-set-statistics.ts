/** Mean, covariance and what is made of them, for a data set and its classes: gathered over the cluster when first needed, then kept. */

import type { DataSet } from '../../shared/dataset/data-set.js';
import { SUPPORT_SETS_BYTES_MAX } from '../../shared/limits.js';
import { covarianceOf, type Covariance } from '../../shared/math/moment-sums.js';
import { decodeSupportSet, supportSetHash, supportSizes, votesForItself } from '../../shared/math/support-set.js';
import { Algebra } from './algebra.js';
import { readCovarianceFile, writeCovarianceFile } from './covariance-file.js';
import { fetchCovariance, offerCovariance } from './covariance-source.js';
import type { GaussianAnswer } from './gaussian-mean.js';
import { gatherMoments, type GatherSettings } from './gather-moments.js';
import { KeptResults } from './kept-results.js';

/** Covariances kept: that of the data set and of a few classes. */
const COVARIANCES_BYTES_MAX = 512 * 1024 * 1024;

/** The supports of a locality mask, as workers take them. */
export interface LocalitySupports {
  /** hex */
  readonly sha256: string;
  /** as proto SupportSet */
  readonly data: Uint8Array<ArrayBuffer>;
  /** [D] values that vote for each output value */
  readonly voters: Uint32Array;
  /** [D] 1 = the value is the same in every row */
  readonly constant: Uint8Array;
  /** [D] 1 = the value is among its own voters */
  readonly votesForItself: Uint8Array;
}

export interface StatisticsSettings extends GatherSettings {
  /** the covariance is kept in its folder, and where it comes from if that can be written to */
  readonly dataSet: DataSet;
}

export class DataSetStatistics {
  readonly #algebra = new Algebra();
  readonly #covariances = new KeptResults<Covariance>(COVARIANCES_BYTES_MAX, ({ covariance }) => covariance.byteLength);
  readonly #localities = new KeptResults<LocalitySupports>(SUPPORT_SETS_BYTES_MAX, ({ data }) => data.byteLength);
  readonly #stop = new AbortController();

  constructor(private readonly settings: StatisticsSettings) {}

  /** @param label of a class; -1 = all rows. @throws PARTITION_MISSING; what the signal was aborted with */
  covariance(label: number, signal: AbortSignal): Promise<Covariance> {
    return this.#covariances.get(String(label), signal, () => this.#makeCovariance(label));
  }

  /** @param ratio (sigma / alpha)^2 > 0 */
  locality(ratio: number, threshold: number, signal: AbortSignal): Promise<LocalitySupports> {
    return this.#localities.get(`${ratio} ${threshold}`, signal, async () => {
      const startedMs = performance.now();
      const covariance = await this.covariance(-1, this.#stop.signal);
      const data = await this.#algebra.locality(covariance, ratio, threshold);
      const set = decodeSupportSet(data);
      const voters = supportSizes(set);
      const D = voters.length;
      const constant = Uint8Array.from({ length: D }, (_, p) => (covariance.covariance[p * D + p] === 0 ? 1 : 0));
      const density = voters.reduce((sum, n) => sum + n, 0) / D ** 2;
      this.settings.log.info({ ratio, threshold, density, ms: Math.round(performance.now() - startedMs) }, 'locality mask made');
      return { sha256: supportSetHash(data), data, voters, constant, votesForItself: votesForItself(set) };
    });
  }

  /** Queries of one label and one ratio. x [B, D], alpha [B]. */
  async gaussian(label: number, ratio: number, x: Float64Array, alpha: Float64Array, signal: AbortSignal): Promise<GaussianAnswer> {
    return this.#algebra.gaussian(String(label), await this.covariance(label, signal), ratio, x, alpha);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#algebra.close();
  }

  async #makeCovariance(label: number): Promise<Covariance> {
    const { dataSet, log } = this.settings;
    const { manifest, dir } = dataSet;
    const whole = label === -1;
    if (whole) await fetchCovariance(dataSet, log, this.#stop.signal);
    const found = whole ? await readCovarianceFile(dir, manifest, (reason) => log.warn({ reason }, 'a saved covariance is not used')) : undefined;
    if (found !== undefined) return found;
    const startedMs = performance.now();
    const moments = await gatherMoments(manifest, label, this.settings, this.#stop.signal);
    const covariance = covarianceOf(moments, manifest);
    log.info({ dataSet: manifest.name, label, rows: moments.rows, ms: Math.round(performance.now() - startedMs) }, 'covariance made');
    if (whole) {
      await writeCovarianceFile(dir, manifest, covariance).catch((thrown: unknown) =>
        log.warn({ err: thrown }, 'the covariance is not kept on disk: it will be made again at the next start'),
      );
      await offerCovariance(dataSet, log);
    }
    return covariance;
  }
}
