/**
 * Why a connection was not made, in one sentence. grpc-js gives a status UNAVAILABLE whose text wraps whatever the socket said, dates and lines of OpenSSL's source among
 * it. What TLS refused becomes TLS_FAILED here: the process on the other side lives, which is not so with an address that nobody listens on.
 *
 * With TLS 1.3 a client that is refused has finished its handshake by then: it sees a connection that ends before the first answer, with an alert where the server sends
 * one (it does where the certificate is missing) and without a word otherwise. The log of the server has the reason.
 */

import { InterceptingCall, status as GrpcStatus, type Interceptor, type StatusObject } from '@grpc/grpc-js';
import { GolddiffError } from '../errors.js';
import { RECONNECT_BACKOFF_MIN_MS } from '../limits.js';
import { verdictOf } from '../tls/certificate-verdict.js';
import { toServiceError } from './status.js';

/** How one side dials. */
export interface Dialling {
  /** host:port */
  readonly at: string;
  /** undefined = plain text */
  readonly tls: { readonly cert?: string; readonly ca?: string } | undefined;
}

const ERROR_NAME = 'TlsHandshakeError';
/** Of one that the other side ended without a word. */
const ENDED_NAME = 'TlsHandshakeEnded';
const HANDSHAKE = new RegExp(`^(${ERROR_NAME}|${ENDED_NAME}): (.*)`, 's');
const HUNG_UP = /^(ECONNRESET|EPIPE)$/;

/** `${error}` of it is what the status carries. */
export class TlsHandshakeError extends Error {
  override readonly name: string;
  constructor(sentence: string, cause: Error) {
    super(sentence, { cause });
    this.name = HUNG_UP.test(codeOf(cause)) ? ENDED_NAME : ERROR_NAME;
  }
}

/** Whether TLS itself refuses the other side, or is refused: that does not change while somebody waits. One that hung up without a word may only have stopped. */
export function refusedForGood({ code, data }: GolddiffError): boolean {
  return code === 'TLS_FAILED' && data.retryAfterMs === undefined;
}

/** Of the client's side, while it shakes hands. */
export function handshakeSentence(error: Error, { at, name, caFile }: { at: string; name: string; caFile: string | undefined }): string {
  const code = codeOf(error);
  const said = firstLine(error.message);
  const verdict = verdictOf(code);
  if (verdict === 'expired') return `The certificate of ${at} has expired`;
  if (verdict === 'not yet valid') return `The certificate of ${at} does not hold yet`;
  if (verdict === 'other name') return `The certificate of ${at} is not for ${name}, but for ${namesIn(error)}; --tls-server-name expects another`;
  if (verdict === 'other purpose') return `The certificate of ${at} is not meant for servers (extended key usage)`;
  if (verdict === 'unknown authority')
    return caFile === undefined
      ? `The certificate of ${at} is not of an authority that this machine trusts; --tls-ca names another`
      : `The certificate of ${at} is not of the authority in --tls-ca ${caFile}`;
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG/.test(code)) return `Expected TLS from ${at} but it speaks plain text`;
  return `The TLS handshake with ${at} failed: ${said}`;
}

/** Undefined where a connection was made, or was not tried. */
export function connectionFailure(error: { readonly code: GrpcStatus; readonly details: string }, dialling: Dialling): GolddiffError | undefined {
  if (error.code !== GrpcStatus.UNAVAILABLE) return undefined;
  const said = /^No connection established\. Last error: (.*?)(?:\s*\(\d{4}-[\dT:.-]+Z\))?\. Resolution note: /s.exec(error.details)?.[1];
  if (said === undefined) return undefined;
  const handshake = HANDSHAKE.exec(said);
  if (handshake !== null) return tlsFailed(handshake[2]!, handshake[1] === ENDED_NAME);
  const { at, tls } = dialling;
  const closed = /^Failed to connect$|ECONNRESET|EPIPE|socket hang up/.test(said);
  const alert = /alert ([a-z ]+):/.exec(said)?.[1];
  if (tls !== undefined && (closed || alert !== undefined)) return tlsFailed(refusalSentence(at, tls.cert, alert), alert === undefined);
  const why = closed
    ? `${at} closed the connection before it said a word: it may expect TLS (--tls-ca)`
    : `There is no connection to ${at}: ${said.replace(/^Error: /, '')}`;
  return new GolddiffError('WORKER_LOST', why);
}

function tlsFailed(sentence: string, hungUp: boolean): GolddiffError {
  return new GolddiffError('TLS_FAILED', sentence, hungUp ? { retryAfterMs: RECONNECT_BACKOFF_MIN_MS } : {});
}

/** Of a server that ends the connection after a handshake. @param alert what it said, undefined = nothing */
function refusalSentence(at: string, cert: string | undefined, alert: string | undefined): string {
  if (cert !== undefined)
    return alert === undefined
      ? `${at} closed the connection: it may not accept the certificate of --tls-cert ${cert}, which its log would tell`
      : `${at} does not accept the certificate of --tls-cert ${cert} (${alert})`;
  if (alert === 'certificate required') return `${at} asks for a certificate of ours (--tls-cert and --tls-key)`;
  return alert === undefined
    ? `${at} closed the connection: it may ask for a certificate of ours (--tls-cert and --tls-key)`
    : `The TLS handshake with ${at} failed: ${alert}`;
}

/** Of every client of ours: what fails to connect comes out as a status of ours. */
export function explainConnection(dialling: Dialling): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) =>
        next(metadata, {
          onReceiveStatus: (status, pass) => {
            const failure = connectionFailure(status, dialling);
            pass(failure === undefined ? status : (toServiceError(failure) satisfies StatusObject));
          },
        }),
    });
}

function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : '';
}

function firstLine(text: string): string {
  const line = text.split('\n', 1)[0] ?? '';
  // "80BC..0000:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:../deps/..:1601:SSL alert number 116"
  return /^[0-9A-F]+:error:[0-9A-F]+:[^:]*:[^:]*:([^:]+)/.exec(line)?.[1] ?? line;
}

function namesIn(error: Error): string {
  const certificate = 'cert' in error ? (error.cert as { subjectaltname?: string }) : {};
  return certificate.subjectaltname?.replaceAll('IP Address:', 'IP:') ?? 'no name at all';
}
