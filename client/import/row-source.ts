/** What an importer reads from: rows in a fixed order, with labels or without. */

export interface RowSource {
  /** for people, kept in the manifest */
  readonly description: string;
  /** name of the data set where the user gives none */
  readonly defaultName: string;
  /** [C, H, W] */
  readonly shape: readonly [number, number, number];
  readonly dtype: 'u8' | 'f32';
  /** rows in the whole source */
  readonly rows: number;
  readonly labelled: boolean;
  /** by label, where the source names its classes */
  readonly classNames: readonly string[] | undefined;
  /** Changes when the source changes: an interrupted import goes on only with the same source. */
  readonly identity: readonly SourceIdentity[];
  /** Rows [first, first + count) in order, in blocks of about a megabyte. Throws FILE_INVALID with file and byte. */
  read(first: number, count: number, signal?: AbortSignal): AsyncIterable<RowBlock>;
}

export interface SourceIdentity {
  readonly path: string;
  readonly bytes: number;
  readonly mtimeMs: number;
}

export interface RowBlock {
  readonly rows: number;
  /** [rows, D] */
  readonly values: Uint8Array | Float32Array;
  /** [rows], where the source is labelled */
  readonly labels: Int32Array | undefined;
}
