/** What the sources of remote data sets have in common: files that are opened at an offset, and the ways in which that fails. */

export type SourceKind = 'http' | 'object_store';

export interface RemoteFile {
  /** as the manifest names it */
  readonly name: string;
  /** hex, where the manifest says it */
  readonly sha256?: string;
  readonly bytes?: number;
}

/** Where a fetch that ended early can go on. */
export interface ResumePoint {
  readonly offset: number;
  /** the source's own word for "the same file at this offset"; opaque to others */
  readonly token: string | undefined;
}

export interface OpenedFile {
  /** where the bytes begin: that of the resume point, or 0 where the source begins anew */
  readonly offset: number;
  readonly chunks: AsyncIterable<FileChunk>;
}

export interface FileChunk {
  readonly bytes: Uint8Array;
  /** for a resume point right behind these bytes */
  readonly token: string | undefined;
}

export interface DataSource {
  readonly kind: SourceKind;
  /** the data set, for people: without credentials */
  readonly shown: string;
  /** one file of it, for people */
  shownFile(file: RemoteFile): string;
  /**
   * @param from undefined = the beginning
   * @throws FetchFailure; what the signal was aborted with
   */
  open(file: RemoteFile, from: ResumePoint | undefined, signal: AbortSignal): Promise<OpenedFile>;
  /** Keeps a file that the manifest does not name, where others find it; absent = the source cannot be written to. */
  put?(name: string, bytes: Uint8Array): Promise<void>;
}

/** Reasons for metrics. */
export const FETCH_FAILURES = ['connection', 'stalled', 'status', 'missing', 'checksum', 'disk'] as const;
export type FetchFailureReason = (typeof FETCH_FAILURES)[number];

/** One try to fetch a file failed. */
export class FetchFailure extends Error {
  override readonly name = 'FetchFailure';
  constructor(
    readonly reason: FetchFailureReason,
    /** continues "Could not fetch FILE: " */
    message: string,
    /** whether the same request may succeed later */
    readonly retry: boolean,
    readonly retryAfterMs?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
