/**
 * manifest.json of a data set: what it is, and where its partitions are. DIR/manifest.json, DIR/partition-NNNNN.safetensors (tensors `rows`
 * u8 or f32 [n, D], `labels` i32 [n], `row_ids` u32 [n]) and DIR/statistics.safetensors (`mean` f64 [D], `variance` f64 [D]). A coordinator
 * adds DIR/covariance.safetensors (`mean` f64 [D], `covariance` f64 [D, D]) when a denoiser first needs it.
 */

export const MANIFEST_VERSION = 1;

export interface Manifest {
  readonly version: typeof MANIFEST_VERSION;
  readonly name: string;
  /** [C, H, W] */
  readonly shape: readonly [number, number, number];
  readonly dtype: 'u8' | 'f32';
  /** data value = stored * scale + offset, in [-1, 1]: u8 has 1/127.5 and -1 */
  readonly valueMap: { readonly scale: number; readonly offset: number };
  /** N */
  readonly rows: number;
  /** in label order; empty where the data set has no labels */
  readonly classes: readonly { readonly label: number; readonly name: string; readonly rows: number }[];
  /** seed of the assignment of rows to partitions */
  readonly seed: number;
  /** what it was imported from, for people */
  readonly source: string;
  /** hash over all that an import was told and the names, sizes and times of the files it read; absent where it was made before there was one */
  readonly importKey?: string;
  readonly partitions: readonly ManifestPartition[];
  readonly statistics: { readonly file: string; readonly sha256: string };
  /** sha256 over the partitions' hashes in order, hex: two data sets with the same one hold the same bytes */
  readonly contentHash: string;
}

export interface ManifestPartition {
  readonly id: number;
  readonly file: string;
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
}
