import assert from 'node:assert/strict';
import { createServer, type AddressInfo } from 'node:net';
import { it, type TestContext } from 'node:test';
import { errors } from '@nats-io/nats-core';
import { connectionRefusal, refusalBySilence } from '../../../../shared/control-plane/nats/connection-refusal.js';
import type { NatsSecurity } from '../../../../shared/control-plane/nats/security.js';

const NO_SECURITY: NatsSecurity = { tls: undefined, authenticator: undefined, credentials: undefined };
const coded = (code: string): Error => Object.assign(new Error('why'), { code });

it('tells what is refused for good from what may pass', () => {
  for (const passing of [new errors.ConnectionError('connection refused'), new errors.TimeoutError(), coded('ECONNRESET'), 'odd'])
    assert.equal(connectionRefusal(passing, 'h:1', NO_SECURITY), undefined);
  const unauthorized = new errors.AuthorizationError('Authorization Violation');
  const cases: [unknown, Partial<NatsSecurity>, string][] = [
    [unauthorized, {}, 'The NATS server at h:1 asks for credentials: --nats-creds, --nats-token-file or --nats-user, or their variables'],
    [unauthorized, { credentials: 'the token of X' }, 'The NATS server at h:1 refused the token of X (Authorization Violation)'],
    [
      new errors.ConnectionError("server does not support 'tls'"),
      { tls: {} },
      'Expected TLS from the NATS server at h:1, as tls:// or a --nats-tls flag asks for, but it offers none',
    ],
    [
      coded('SELF_SIGNED_CERT_IN_CHAIN'),
      { tls: { caFile: 'ca.pem' } },
      'The certificate of the NATS server at h:1 does not hold (why) against that of --nats-tls-ca ca.pem',
    ],
    [
      coded('UNABLE_TO_VERIFY_LEAF_SIGNATURE'),
      {},
      'The certificate of the NATS server at h:1 does not hold (why) against the authorities that this machine knows; --nats-tls-ca names another',
    ],
  ];
  for (const [error, security, message] of cases) {
    const refusal = connectionRefusal(error, 'h:1', { ...NO_SECURITY, ...security });
    assert.deepEqual([refusal?.code, refusal?.message, refusal?.retryable], ['CONTROL_PLANE_REFUSED', message, false]);
  }
});

async function saying(t: TestContext, ...pieces: string[]): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    for (const piece of pieces) socket.write(piece);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it('reads from the greeting of a silent server whether it asks for certificates', async (t) => {
  const asks = await saying(t, 'INFO {"tls_requ', 'ired":true,"tls_verify":true} \r\n');
  const plain = await saying(t, 'INFO {"tls_required":true}\r\n');
  const other = await saying(t, 'HTTP/1.1 400\r\n\r\n');
  const mute = await saying(t);
  assert.equal(await refusalBySilence([plain, other, mute, '127.0.0.1:1'], NO_SECURITY), undefined);
  const refusal = await refusalBySilence([plain, asks], NO_SECURITY);
  assert.equal(refusal?.message, `The NATS server at ${asks} asks for a certificate of ours: --nats-tls-cert and --nats-tls-key`);
  const ours = { ...NO_SECURITY, tls: { certFile: 'c.pem', keyFile: 'c.key' } };
  assert.match((await refusalBySilence([asks], ours))!.message, /asks for a certificate of ours and did not take that of --nats-tls-cert c\.pem$/);
});
