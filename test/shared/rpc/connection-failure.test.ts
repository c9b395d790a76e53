import assert from 'node:assert/strict';
import { test } from 'node:test';
import { credentials, status as GrpcStatus } from '@grpc/grpc-js';
import {
  connectionFailure,
  explainConnection,
  handshakeSentence,
  refusedForGood,
  TlsHandshakeError,
} from '../../../shared/rpc/connection-failure.js';
import { protoPackage } from '../../../shared/rpc/proto-package.js';
import { fromServiceError, toServiceError } from '../../../shared/rpc/status.js';
import { unary } from '../../../shared/rpc/handlers.js';
import { serve } from './server-under-test.js';

/** As grpc-js writes it. */
const status = (said: string, code = GrpcStatus.UNAVAILABLE) => ({
  code,
  details: `No connection established. Last error: ${said}. Resolution note: `,
});
const ALERT = (words: string) =>
  `809CC4C1367F0000:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert ${words}:../deps/openssl/ssl/record/rec_layer_s3.c:1601:SSL alert number 1\n (2026-11-23T17:52:19.963Z)`;
const at = 'h:1';

test('what a socket said becomes one sentence, by how the connection was dialled', () => {
  const [own, authority] = [{ ca: 'ca', cert: 'mine' }, { ca: 'ca' }];
  const hungUp = Object.assign(new Error(), { code: 'ECONNRESET' });
  const cases: [said: string, tls: typeof authority | undefined, code: string, sentence: string][] = [
    [`${new TlsHandshakeError('It has expired', new Error())}`, own, 'TLS_FAILED', 'It has expired'],
    [`${new TlsHandshakeError('It went', hungUp)}`, own, 'TLS_FAILED', 'It went'],
    [ALERT('certificate required'), authority, 'TLS_FAILED', 'h:1 asks for a certificate of ours (--tls-cert and --tls-key)'],
    [ALERT('unknown ca'), own, 'TLS_FAILED', 'h:1 does not accept the certificate of --tls-cert mine (unknown ca)'],
    [ALERT('handshake failure'), authority, 'TLS_FAILED', 'The TLS handshake with h:1 failed: handshake failure'],
    [
      'Failed to connect (2026-11-23T17:52:19.971Z)',
      own,
      'TLS_FAILED',
      'h:1 closed the connection: it may not accept the certificate of --tls-cert mine, which its log would tell',
    ],
    [
      'read ECONNRESET (2026-11-23T17:52:19.971Z)',
      authority,
      'TLS_FAILED',
      'h:1 closed the connection: it may ask for a certificate of ours (--tls-cert and --tls-key)',
    ],
    [
      'Failed to connect (2026-11-23T17:52:19.971Z)',
      undefined,
      'WORKER_LOST',
      'h:1 closed the connection before it said a word: it may expect TLS (--tls-ca)',
    ],
    ['Error: connect ECONNREFUSED 127.0.0.1:1', undefined, 'WORKER_LOST', 'There is no connection to h:1: connect ECONNREFUSED 127.0.0.1:1'],
    ['Error: connect ECONNREFUSED 127.0.0.1:1', own, 'WORKER_LOST', 'There is no connection to h:1: connect ECONNREFUSED 127.0.0.1:1'],
  ];
  for (const [said, tls, code, sentence] of cases) {
    const failure = connectionFailure(status(said), { at, tls });
    assert.deepEqual([failure?.code, failure?.message, failure?.grpcStatus, failure?.retryable], [code, sentence, GrpcStatus.UNAVAILABLE, true]);
    // A side that hung up without a word may only have stopped.
    const forGood = code === 'TLS_FAILED' && !/closed the connection|It went/.test(sentence);
    assert.equal(refusedForGood(failure!), forGood, said);
    assert.equal(refusedForGood(fromServiceError(toServiceError(failure))), forGood, 'over the wire, too');
  }
  assert.equal(connectionFailure(status('Failed to connect', GrpcStatus.CANCELLED), { at, tls: own }), undefined);
  assert.equal(connectionFailure({ code: GrpcStatus.UNAVAILABLE, details: 'the server drains' }, { at, tls: own }), undefined);
});

test('what Node makes of a certificate becomes one sentence', () => {
  const sentence = (code: string, message = 'said', more: object = {}, caFile: string | undefined = 'ca') =>
    handshakeSentence(Object.assign(new Error(message), { code, ...more }), { at, name: 'n', caFile });
  assert.equal(sentence('CERT_HAS_EXPIRED'), 'The certificate of h:1 has expired');
  assert.equal(sentence('CERT_NOT_YET_VALID'), 'The certificate of h:1 does not hold yet');
  assert.equal(sentence('INVALID_PURPOSE'), 'The certificate of h:1 is not meant for servers (extended key usage)');
  assert.equal(sentence('DEPTH_ZERO_SELF_SIGNED_CERT'), 'The certificate of h:1 is not of the authority in --tls-ca ca');
  assert.match(
    handshakeSentence(Object.assign(new Error('x'), { code: 'CERT_UNTRUSTED' }), { at, name: 'n', caFile: undefined }),
    /this machine trusts/,
  );
  assert.match(
    sentence('ERR_TLS_CERT_ALTNAME_INVALID', '', { cert: { subjectaltname: 'IP Address:10.0.0.1, DNS:a' } }),
    /^The certificate of h:1 is not for n, but for IP:10.0.0.1, DNS:a;/,
  );
  assert.match(sentence('ERR_TLS_CERT_ALTNAME_INVALID', '', { cert: {} }), /but for no name at all;/);
  assert.equal(sentence('ERR_SSL_WRONG_VERSION_NUMBER'), 'Expected TLS from h:1 but it speaks plain text');
  assert.equal(sentence('X', ALERT('protocol version')), 'The TLS handshake with h:1 failed: tlsv13 alert protocol version');
});

test('a client that explains passes everything else on as it came', async () => {
  const served = await serve({
    dataset: {
      list: unary(() => Promise.resolve({ dataSets: [], nextPageToken: 'next' })),
      get: unary(() => Promise.reject(new Error('a fault'))),
    },
  });
  const interceptors = [explainConnection({ at: served.server.address, tls: undefined })];
  const client = new protoPackage.DatasetService(served.server.address, credentials.createInsecure(), { interceptors });
  try {
    const token = await new Promise((resolve, reject) => client.list({}, (error, page) => (error ? reject(error) : resolve(page?.nextPageToken))));
    assert.equal(token, 'next');
    const failure = (): Promise<unknown> => new Promise((resolve) => client.get({}, (error) => resolve(error)));
    assert.equal(fromServiceError(await failure()).code, 'INTERNAL');
    served.server.forceStop();
    let error = fromServiceError(await failure());
    // The first call may meet the connection as it breaks.
    for (let i = 0; i < 100 && !error.message.startsWith('There is no connection'); i++) error = fromServiceError(await failure());
    assert.equal(error.code, 'WORKER_LOST');
    assert.match(error.message, /^There is no connection to 127\.0\.0\.1:\d+: connect ECONNREFUSED/);
  } finally {
    client.close();
    served.close();
  }
});
