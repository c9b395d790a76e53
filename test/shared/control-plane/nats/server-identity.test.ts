import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { PeerCertificate } from 'node:tls';
import { identityCheck } from '../../../../shared/control-plane/nats/server-identity.js';

const certificateOf = (subjectaltname: string): PeerCertificate => ({ subject: { CN: 'nats' }, subjectaltname }) as PeerCertificate;

it('a server that has a name must show that name', () => {
  const check = identityCheck(['nats.example:4222', '10.0.0.1:4222']);
  assert.equal(check('nats.example', certificateOf('DNS:nats.example')), undefined);
  assert.match(check('nats.example', certificateOf('IP Address:10.0.0.1'))!.message, /nats\.example/);
});

it('a server that has only an address must show that of one that was named, and localhost where that was named too', () => {
  const check = identityCheck(['10.0.0.1:4222', '[::1]']);
  assert.equal(check('localhost', certificateOf('IP Address:10.0.0.1')), undefined);
  assert.equal(check('localhost', certificateOf('IP Address:0:0:0:0:0:0:0:1')), undefined);
  assert.match(check('localhost', certificateOf('DNS:localhost'))!.message, /10\.0\.0\.1/);
  assert.match(check('localhost', certificateOf('IP Address:10.0.0.2'))!.message, /10\.0\.0\.1/);
  assert.equal(identityCheck(['10.0.0.1', 'localhost:4222'])('localhost', certificateOf('DNS:localhost')), undefined);
  assert.ok(identityCheck(['localhost'])('localhost', certificateOf('DNS:other')) instanceof Error);
});
