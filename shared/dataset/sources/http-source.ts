/**
 * Data sets on web servers: any that serves a folder's files. A fetch that ended early goes on with Range; If-Range with the file's strong ETag makes the server begin
 * anew where the file is another one by now, and one without ranges begins anew always. Redirects are followed; credentials go to the host of the data set alone.
 */

import { FETCH_BACKOFF_MAX_MS } from '../../limits.js';
import { shownLocation, withoutCredentials, type HttpLocation } from './data-location.js';
import { FetchFailure, type DataSource, type FileChunk, type OpenedFile, type RemoteFile, type ResumePoint } from './data-source.js';

const OK = 200;
const PARTIAL = 206;
const RANGE_REFUSED = 416;
const MISSING: ReadonlySet<number> = new Set([404, 410]);
/** Besides 5xx: Request Timeout, Too Early, Too Many Requests. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429]);
/** No ranges at all where a server sends no strong ETag: then the file's length and its checksum tell. */
const NO_TAG = 'untagged';

export class HttpSource implements DataSource {
  readonly kind = 'http';
  readonly shown: string;
  readonly #authorization: string | undefined;

  /** @param token bearer token; a user in the URL comes first */
  constructor(
    private readonly location: HttpLocation,
    token?: string,
  ) {
    this.shown = shownLocation(location);
    this.#authorization = location.authorization ?? (token === undefined || token === '' ? undefined : `Bearer ${token}`);
  }

  shownFile(file: RemoteFile): string {
    return `${this.location.base}${encodeURIComponent(file.name)}`;
  }

  async open(file: RemoteFile, from: ResumePoint | undefined, signal: AbortSignal): Promise<OpenedFile> {
    const offset = from?.token === undefined ? 0 : from.offset;
    const headers = new Headers({ 'accept-encoding': 'identity' });
    if (this.#authorization !== undefined) headers.set('authorization', this.#authorization);
    if (offset > 0) {
      headers.set('range', `bytes=${offset}-`);
      if (from!.token !== NO_TAG) headers.set('if-range', from!.token!);
    }
    const response = await fetch(`${this.shownFile(file)}${this.location.query}`, { headers, signal }).catch((thrown: unknown) => {
      throw connectionFailure(thrown, signal);
    });
    const begins = response.status === OK ? 0 : response.status === PARTIAL && startOf(response) === offset ? offset : undefined;
    if (begins === undefined || response.body === null) {
      await response.body?.cancel().catch(() => {});
      throw refusal(response, offset);
    }
    return { offset: begins, chunks: chunksOf(response.body, tagOf(response) ?? NO_TAG, signal) };
  }
}

async function* chunksOf(body: ReadableStream<Uint8Array>, token: string, signal: AbortSignal): AsyncGenerator<FileChunk> {
  try {
    for await (const bytes of body) yield { bytes, token };
  } catch (thrown) {
    throw connectionFailure(thrown, signal);
  }
}

/** A weak one says only that two files mean the same: no part of one fits the other. */
function tagOf(response: Response): string | undefined {
  const tag = response.headers.get('etag');
  return tag !== null && /^"[^"]*"$/.test(tag) ? tag : undefined;
}

/** First byte of a partial answer. */
function startOf(response: Response): number | undefined {
  const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
  return match === null ? undefined : Number(match[1]);
}

function refusal(response: Response, offset: number): FetchFailure {
  const { status } = response;
  const answer = `the server answered ${status}${response.statusText === '' ? '' : ` ${response.statusText}`}`;
  if (MISSING.has(status)) return new FetchFailure('missing', answer, false);
  // The next try has no range: the fetch begins anew after these.
  if (status === RANGE_REFUSED && offset > 0) return new FetchFailure('checksum', `${answer} to a range from ${offset}`, true);
  if (status === PARTIAL) return new FetchFailure('checksum', 'the server answered with another range than was asked for', true);
  if (status === 401 || status === 403)
    return new FetchFailure('status', `${answer}: it needs other credentials (GOLDDIFF_DATA_TOKEN, or a user in the URL)`, false);
  const passing = status >= 500 || PASSING.has(status);
  return new FetchFailure('status', answer, passing, retryAfterMs(response));
}

/** Seconds, or a date by the server's clock. */
function retryAfterMs(response: Response): number | undefined {
  const text = response.headers.get('retry-after');
  if (text === null) return undefined;
  const ms = /^\d+$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), FETCH_BACKOFF_MAX_MS) : undefined;
}

/** fetch hides what happened in the cause of its error. */
function connectionFailure(thrown: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (thrown instanceof FetchFailure) return thrown;
  let cause: unknown = thrown;
  while (cause instanceof Error && cause.cause !== undefined) cause = cause.cause;
  const code = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : '';
  const text = cause instanceof Error ? cause.message : String(cause);
  return new FetchFailure('connection', `the connection failed: ${withoutCredentials(text) || 'no reason given'}${code}`, true, undefined, {
    cause: thrown,
  });
}
