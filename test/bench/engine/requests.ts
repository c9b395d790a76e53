/** What contestants are asked, by one JSON line each. The Python peers (peers/peer.py) take the same; times are milliseconds. */

export interface LoadRequest {
  readonly op: 'load';
  /** name by which later requests know the rows */
  readonly set: string;
  /** u8 .npy [N, D], or the folder of an imported data set (engine only) */
  readonly file: string;
  readonly shape: readonly [number, number, number];
  /** first rows of the file; 0 = all */
  readonly rows: number;
  /** engine only; 0 = as on disk */
  readonly partitions: number;
}

export interface QueriesOf {
  readonly set: string;
  /** f4 .npy [>= B, D] */
  readonly queries: string;
  readonly batch: number;
  readonly alpha: number;
  readonly sigma: number;
  /** engine: encoded support set that the weights go by (a mask request's file); none = one weight a row */
  readonly supports?: string;
}

export interface Repeats {
  /** timed steps at most */
  readonly repeats: number;
  /** no further step is begun after this */
  readonly budgetMs: number;
  /** untimed steps before; undefined = two */
  readonly warmUp?: number;
}

export interface ExactRequest extends QueriesOf, Repeats {
  readonly op: 'exact';
  /** one that an earlier answer named */
  readonly layout?: string;
  readonly wantAnswer?: boolean;
}

export interface ExactReply {
  readonly times: number[];
  readonly layout?: string;
  /** [B, D] where it was wanted */
  readonly x0hat?: number[];
  /** engine: milliseconds of each phase, one for each timed step */
  readonly phases?: Readonly<Record<string, number[]>>;
  /** engine, where the answer was wanted: [B] rows within 2^-24 of the heaviest */
  readonly rowsThatMatter?: number[];
}

export interface GoldenRequest extends QueriesOf, Repeats {
  readonly op: 'golden';
  readonly kMin: number;
  readonly kMax: number;
  /** 0 = by noise level */
  readonly candidatePool: number;
  readonly kFixed: number;
  readonly search: SearchKind;
  readonly wantAnswer?: boolean;
}

export type SearchKind = 'scan' | 'hnsw';

export interface GoldenReply {
  readonly times: number[];
  readonly phases: Readonly<Record<string, number[]>>;
  readonly pool: number;
  readonly subset: number;
  readonly x0hat?: number[];
}

/** The k nearest rows to x / alpha. */
export interface SearchRequest extends Repeats {
  readonly op: 'search';
  readonly set: string;
  readonly queries: string;
  readonly batch: number;
  readonly alpha: number;
  readonly sigma: number;
  readonly shape: readonly [number, number, number];
  /** side of the squares that proxies average; 1 = full distance */
  readonly factor: number;
  readonly k: number;
  readonly wantAnswer?: boolean;
}

export interface SearchReply {
  readonly times: number[];
  /** FAISS: [B, k] */
  readonly ids?: number[];
}

export interface StatisticsRequest extends Repeats {
  readonly op: 'statistics';
  readonly set: string;
  readonly alpha: number;
  readonly sigma: number;
}

export interface StatisticsReply {
  readonly covarianceMs: number[];
  readonly solveMs: number[];
  /** checks: of the covariance, and of (s^2 I + a^2 Sigma)^-1 */
  readonly trace: number;
  readonly inverseTrace: number;
}

/** The locality mask of a set that is held, into two files: the encoded support set, and u1 .npy [D, D] for rivals (mask[p, j] = p votes for j). */
export interface MaskRequest {
  readonly op: 'mask';
  readonly set: string;
  readonly alpha: number;
  readonly sigma: number;
  readonly threshold: number;
  readonly supports: string;
  readonly mask: string;
}

export interface MaskReply {
  /** of all columns together */
  readonly entries: number;
  readonly runs: number;
}

/** torch: the pca golden step with a dense mask; `subset` = N and `pool` = N for the exact one. */
export interface PcaRequest extends QueriesOf, Repeats {
  readonly op: 'pca';
  readonly mask: string;
  readonly shape: readonly [number, number, number];
  /** side of the squares that proxies average */
  readonly factor: number;
  readonly pool: number;
  readonly subset: number;
  readonly wantAnswer?: boolean;
}

export interface DescribeReply {
  readonly library: string;
  readonly version: string | null;
  readonly threads: number;
  readonly blas?: string[];
}

export interface DropRequest {
  readonly op: 'drop';
  readonly set: string;
}

export type EngineRequest =
  { readonly op: 'describe' } | LoadRequest | DropRequest | ExactRequest | GoldenRequest | SearchRequest | StatisticsRequest | MaskRequest;
