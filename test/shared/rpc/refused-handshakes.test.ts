import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { opensslMissing, TestAuthority } from '../../support/certificates.js';
import { until } from '../../support/until.js';
import { ask, clientTlsOf, pathsOf, tlsServer } from './tls-under-test.js';

test('a peer is told of once for each reason, with its address; a probe of the port is not', { skip: opensslMissing ?? false }, async () => {
  const authority = new TestAuthority('an authority');
  const running = await tlsServer(pathsOf(authority.caFile, authority.sign('server')));
  const ended = (): number => running.lines.filter(({ msg }) => /ended before its TLS handshake/.test(String(msg))).length;
  try {
    for (let i = 0; i < 3; i++) {
      await ask(running.address, clientTlsOf(authority.caFile));
      await ask(running.address, undefined);
    }
    const [host, port] = running.address.split(':') as [string, string];
    const probe = connect(Number(port), host);
    await once(probe, 'connect');
    probe.destroy();
    await until(() => ended() > 0, 'the probe is seen');
    assert.deepEqual(running.refusals(), ['it shows no certificate', 'it speaks plain text']);
    for (const { peer } of running.lines) assert.equal(peer, '127.0.0.1');
    assert.ok(
      running.lines.every(({ level, msg }) => level === (msg === 'a client was not let in' ? 40 : 20)),
      'a probe is for the debugger',
    );
  } finally {
    running.server.forceStop();
  }
});
