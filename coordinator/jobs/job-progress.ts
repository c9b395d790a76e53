/** What a job's taker writes into its record. */

export interface JobProgress {
  readonly evaluationsDone: number;
  readonly evaluationsTotal: number;
  /** when it was first taken up */
  readonly startedUnixMs: number;
  /** when the result goes; 0 = there is none yet */
  readonly expiresUnixMs: number;
}

export function encodeProgress(progress: JobProgress): Uint8Array {
  return new Uint8Array(Buffer.from(JSON.stringify(progress)));
}

export function decodeProgress(bytes: Uint8Array | undefined): JobProgress | undefined {
  return bytes === undefined ? undefined : (JSON.parse(Buffer.from(bytes).toString()) as JobProgress);
}
