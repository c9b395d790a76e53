/**
 * Fetching one file from a source that may fail at any byte: tried again with growing waits, from where it ended, until the bytes have the checksum that the manifest
 * names. Tries that bring something are not counted, so that a bad line only makes it slow; a source that begins anew each time must get further each time.
 */

import { createHash } from 'node:crypto';
import { asGolddiffError, GolddiffError, isDiskFull } from '../../errors.js';
import {
  FETCH_ATTEMPTS_MAX,
  FETCH_BACKOFF_MAX_MS,
  FETCH_BACKOFF_MIN_MS,
  FETCH_MISMATCHES_MAX,
  FETCH_PROGRESS_BYTES,
  FETCH_STALL_MS,
} from '../../limits.js';
import type { Logger } from '../../log.js';
import { FetchFailure, type DataSource, type FetchFailureReason, type FileChunk, type RemoteFile, type ResumePoint } from './data-source.js';
import type { PartFile } from './part-file.js';

export interface FetchSettings {
  readonly source: DataSource;
  readonly log: Logger;
  /** every piece that arrives */
  readonly onBytes?: (bytes: number) => void;
  /** every try that fails */
  readonly onFailure?: (reason: FetchFailureReason) => void;
  readonly attemptsMax?: number;
  /** the first wait; default FETCH_BACKOFF_MIN_MS */
  readonly backoffMs?: number;
  readonly stallMs?: number;
}

/**
 * Resolves when the part is whole, verified and durable. What it has stays for a later try where this one fails, except for a full disk.
 * @param makeRoom asked when the disk is full; true = something was taken away
 * @throws DATA_UNAVAILABLE, NOT_FOUND, FILE_INVALID (another checksum) naming the file and what happened; LIMIT_EXCEEDED; the signal's reason
 */
export async function fetchFile(
  file: RemoteFile & { readonly sha256: string; readonly bytes: number },
  part: PartFile,
  settings: FetchSettings,
  signal: AbortSignal,
  makeRoom: (bytes: number) => Promise<boolean> = () => Promise.resolve(false),
): Promise<void> {
  let furthest = part.offset;
  const attempt = async (): Promise<boolean> => {
    try {
      await fetchOnce(file, part, settings, signal);
      return true;
    } catch (thrown) {
      if (thrown instanceof FetchFailure && thrown.reason === 'checksum') await part.restart();
      else if (!isDiskFull(causeOf(thrown))) await part.save();
      throw thrown;
    }
  };
  const hasProgress = (): boolean => {
    const has = part.offset >= furthest + FETCH_PROGRESS_BYTES;
    furthest = Math.max(furthest, part.offset);
    return has;
  };
  await retried(file, settings, signal, hasProgress, async () => {
    for (;;) {
      try {
        return await attempt();
      } catch (thrown) {
        // What was not written is not in the part: the next try goes on from there.
        if (!isDiskFull(causeOf(thrown)) || !(await makeRoom(file.bytes - part.offset))) throw thrown;
      }
    }
  });
}

/** A small file as a whole, undefined where the source says that there is none. @throws as fetchFile; LIMIT_EXCEEDED for more bytes */
export async function fetchBytes(file: RemoteFile, bytesMax: number, settings: FetchSettings, signal: AbortSignal): Promise<Buffer | undefined> {
  const read = async (): Promise<Buffer> => {
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    await eachChunk(file, undefined, settings, signal, ({ bytes: piece }) => {
      pieces.push(piece);
      bytes += piece.length;
      if (bytes > bytesMax) throw new GolddiffError('LIMIT_EXCEEDED', `${settings.source.shownFile(file)} has more than ${bytesMax} bytes`);
      return Promise.resolve();
    });
    return Buffer.concat(pieces);
  };
  try {
    return await retried(file, settings, signal, () => false, read);
  } catch (thrown) {
    if (thrown instanceof GolddiffError && thrown.code === 'NOT_FOUND') return undefined;
    throw thrown;
  }
}

async function fetchOnce(
  file: RemoteFile & { readonly sha256: string; readonly bytes: number },
  part: PartFile,
  settings: FetchSettings,
  signal: AbortSignal,
): Promise<void> {
  let hash = createHash('sha256');
  await part.hashInto(hash, signal);
  if (part.offset < file.bytes) {
    const begin = async (offset: number): Promise<void> => {
      if (offset === part.offset) return;
      await part.restart();
      hash = createHash('sha256');
    };
    const take = async ({ bytes, token }: FileChunk): Promise<void> => {
      if (part.offset + bytes.length > file.bytes)
        throw new FetchFailure('checksum', `it has more than the ${file.bytes} bytes that the manifest says`, true);
      hash.update(bytes);
      await part.append(bytes, token);
    };
    await eachChunk(file, part.offset === 0 ? undefined : part.resumePoint, settings, signal, take, begin);
    if (part.offset < file.bytes) throw new FetchFailure('connection', `it ended after ${part.offset} of ${file.bytes} bytes`, true);
  }
  const received = hash.digest('hex');
  if (received !== file.sha256 || part.offset !== file.bytes)
    throw new FetchFailure('checksum', `it has the sha256 ${received} where the manifest says ${file.sha256}`, true);
  await part.finish();
}

/** One try, given up when nothing arrives for a while. */
async function eachChunk(
  file: RemoteFile,
  from: ResumePoint | undefined,
  { source, stallMs = FETCH_STALL_MS, onBytes }: FetchSettings,
  signal: AbortSignal,
  take: (chunk: FileChunk) => Promise<void>,
  begin: (offset: number) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const stalled = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const wind = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => stalled.abort(new FetchFailure('stalled', `nothing came for ${stallMs / 1000} s`, true)), stallMs);
  };
  try {
    wind();
    const opened = await source.open(file, from, AbortSignal.any([signal, stalled.signal]));
    await begin(opened.offset);
    for await (const chunk of opened.chunks) {
      clearTimeout(timer);
      onBytes?.(chunk.bytes.length);
      await take(chunk);
      wind();
    }
  } finally {
    clearTimeout(timer);
    // A connection whose bytes nobody takes any more is let go.
    stalled.abort();
  }
}

async function retried<T>(
  file: RemoteFile,
  settings: FetchSettings,
  signal: AbortSignal,
  hasProgress: () => boolean,
  attempt: () => Promise<T>,
): Promise<T> {
  const { source, log, attemptsMax = FETCH_ATTEMPTS_MAX, backoffMs = FETCH_BACKOFF_MIN_MS } = settings;
  let failures = 0;
  let mismatches = 0;
  for (;;) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (thrown) {
      signal.throwIfAborted();
      if (!(thrown instanceof FetchFailure)) {
        settings.onFailure?.('disk');
        throw asGolddiffError(thrown);
      }
      settings.onFailure?.(thrown.reason);
      failures = hasProgress() ? 1 : failures + 1;
      if (thrown.reason === 'checksum') mismatches++;
      const over = failures >= attemptsMax || mismatches >= FETCH_MISMATCHES_MAX;
      if (over || !thrown.retry) throw finalError(file, source, thrown, failures);
      const waitMs = thrown.retryAfterMs ?? Math.min(FETCH_BACKOFF_MAX_MS, backoffMs * 2 ** (failures - 1)) * (0.5 + Math.random());
      log.warn(
        { file: source.shownFile(file), reason: thrown.reason, againMs: Math.round(waitMs) },
        `a fetch failed and is tried again: ${thrown.message}`,
      );
      await waited(waitMs, signal);
    }
  }
}

function finalError(file: RemoteFile, source: DataSource, failure: FetchFailure, failures: number): GolddiffError {
  const shown = source.shownFile(file);
  const tries = failures > 1 ? ` (${failures} tries in a row)` : '';
  const code = failure.reason === 'missing' ? 'NOT_FOUND' : failure.reason === 'checksum' ? 'FILE_INVALID' : 'DATA_UNAVAILABLE';
  return new GolddiffError(code, `Could not fetch ${file.name} from ${shown}: ${failure.message}${tries}`, { file: shown }, { cause: failure });
}

/** @throws what the signal was aborted with */
export async function waited(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) throw signal.reason;
  let timer: NodeJS.Timeout | undefined;
  let stop: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(resolve, ms);
      stop = () => reject(signal.reason as Error);
      signal.addEventListener('abort', stop, { once: true });
    });
  } finally {
    clearTimeout(timer);
    if (stop !== undefined) signal.removeEventListener('abort', stop);
  }
}

function causeOf(thrown: unknown): unknown {
  return thrown instanceof GolddiffError ? thrown.cause : thrown;
}
