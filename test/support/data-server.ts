/** A web server over a folder that fails as it is told: for tests of what fetches data sets. */

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';

export interface DataRequest {
  readonly file: string;
  /** path and query */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** how often this file was asked for, from 1 */
  readonly time: number;
}

/** What is done in place of a plain answer. */
export interface Fault {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** the connection breaks after so many bytes of the body */
  readonly breakAfter?: number;
  /** nothing more comes after so many bytes of the body, and the connection stays */
  readonly stallAfter?: number;
  /** the whole file, whatever range was asked for */
  readonly noRanges?: boolean;
  /** null = no ETag */
  readonly etag?: string | null;
  readonly bytes?: Uint8Array;
  /** milliseconds between two pieces of 64 KiB */
  readonly slowMs?: number;
}

export interface DataServer {
  /** http://127.0.0.1:port/ */
  readonly url: string;
  readonly requests: DataRequest[];
  /** body bytes that were sent */
  readonly sentBytes: number;
  fault: (request: DataRequest) => Fault | undefined;
  close(): Promise<void>;
}

const PIECE_BYTES = 64 * 1024;

export async function startDataServer(dir: string, fault: DataServer['fault'] = () => undefined): Promise<DataServer> {
  const times = new Map<string, number>();
  const requests: DataRequest[] = [];
  let sentBytes = 0;
  const server = createServer((request, response) => {
    const url = request.url ?? '/';
    const file = decodeURIComponent(path.posix.basename(url.split('?', 1)[0]!));
    const time = (times.get(file) ?? 0) + 1;
    times.set(file, time);
    const asked: DataRequest = { file, url, headers: request.headers, time };
    requests.push(asked);
    void answer(asked, response, shared.fault(asked) ?? {}).catch(() => response.destroy());
  });
  const answer = async (asked: DataRequest, response: ServerResponse, wrong: Fault): Promise<void> => {
    if (wrong.status !== undefined && wrong.status !== 200) return void response.writeHead(wrong.status, wrong.headers).end();
    const whole = wrong.bytes ?? (await readFile(path.join(dir, asked.file)).catch(() => undefined));
    if (whole === undefined) return void response.writeHead(404).end();
    const etag = wrong.etag === undefined ? `"${createHash('sha256').update(whole).digest('hex').slice(0, 16)}"` : wrong.etag;
    const from = wrong.noRanges ? undefined : /^bytes=(\d+)-$/.exec(asked.headers.range ?? '')?.[1];
    const condition = asked.headers['if-range'];
    const partial = from !== undefined && (condition === undefined || condition === etag);
    const body = partial ? whole.subarray(Number(from)) : whole;
    if (partial && body.length === 0) return void response.writeHead(416, { 'content-range': `bytes */${whole.length}` }).end();
    response.writeHead(partial ? 206 : 200, {
      'content-length': body.length,
      ...(etag === null ? {} : { etag }),
      ...(partial ? { 'content-range': `bytes ${from}-${whole.length - 1}/${whole.length}` } : {}),
      ...wrong.headers,
    });
    const end = Math.min(body.length, wrong.breakAfter ?? Infinity, wrong.stallAfter ?? Infinity);
    for (let at = 0; at < end; at += PIECE_BYTES) {
      if (response.destroyed) return;
      const piece = body.subarray(at, Math.min(end, at + PIECE_BYTES));
      sentBytes += piece.length;
      await new Promise((resolve) => response.write(piece, resolve));
      if (wrong.slowMs !== undefined) await new Promise((resolve) => setTimeout(resolve, wrong.slowMs));
    }
    if (wrong.stallAfter !== undefined) return;
    if (end < body.length) response.destroy();
    else response.end();
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const shared: DataServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    requests,
    get sentBytes() {
      return sentBytes;
    },
    fault,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
  return shared;
}
