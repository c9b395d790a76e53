import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createLogger } from '../../../shared/log.js';
import { startGrpcServer, type GrpcServer } from '../../../shared/rpc/grpc-server.js';
import { protoPackage } from '../../../shared/rpc/proto-package.js';
import { TlsFiles } from '../../../shared/tls/tls-files.js';
import { opensslMissing, TestAuthority } from '../../support/certificates.js';
import { run, type CommandRun } from '../../support/command.js';
import { freePorts } from '../../support/free-ports.js';

const SERVICE = 'golddiff.v1.ScoreService';

const health = (args: readonly string[], env?: Record<string, string>): Promise<CommandRun> => run(['health', ...args], env);

function serve(listen = '127.0.0.1:0', tls?: TlsFiles): Promise<GrpcServer> {
  const services = [{ service: protoPackage.ScoreService.service, implementation: { score: () => {}, scoreStream: () => {} } }];
  return startGrpcServer({ listen, services, log: createLogger('test', 'silent'), messageBytesMax: 1_000, tls });
}

test('it ends with 0 where a server serves, with 1 and a sentence where not, and with 2 for bad arguments', async () => {
  const [server, draining] = [await serve(), await serve()];
  draining.setServing(false);
  const at = ['--endpoint', server.address];
  try {
    assert.deepEqual(
      await Promise.all(
        [at, [...at, '--service', SERVICE], [...at, '--service', 'golddiff.v1.Other'], ['--endpoint', draining.address]].map((args) => health(args)),
      ),
      [
        { status: 0, out: 'SERVING\n', err: '' },
        { status: 0, out: 'SERVING\n', err: '' },
        { status: 1, out: '', err: `There is no service golddiff.v1.Other at ${server.address}\n` },
        { status: 1, out: '', err: `${draining.address} does not serve: its health is NOT_SERVING\n` },
      ],
    );
    // What does not come by itself is not waited for.
    const unknown = await health([...at, '--service', 'golddiff.v1.Other', '--wait', '3600']);
    assert.deepEqual([unknown.status, unknown.err], [1, `There is no service golddiff.v1.Other at ${server.address}\n`]);
  } finally {
    server.forceStop();
    draining.forceStop();
  }
  assert.deepEqual(await Promise.all([at, [...at, '--wait', '-1'], []].map((args) => health(args))), [
    { status: 1, out: '', err: `There is no connection to ${server.address}: connect ECONNREFUSED ${server.address}\n` },
    { status: 2, out: '', err: 'Expected a number from 0 to 86400 for --wait but received "-1"\n' },
    { status: 2, out: '', err: "required option '--endpoint <HOST:PORT>' not specified\n" },
  ]);
});

test('it waits for a server that comes, and no longer than it was told', async () => {
  const [port] = (await freePorts(1)) as [number];
  const endpoint = `127.0.0.1:${port}`;
  const waiting = health(['--endpoint', endpoint, '--wait', '120']);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const server = await serve(endpoint);
  try {
    assert.deepEqual(await waiting, { status: 0, out: 'SERVING\n', err: '' });
    server.setServing(false);
    const start = performance.now();
    assert.equal((await health(['--endpoint', endpoint, '--wait', '1'])).status, 1);
    assert.ok(performance.now() - start >= 750, 'it asked more than once');
  } finally {
    server.forceStop();
  }
});

test('over TLS it needs what a client needs, by flags or by variables', { skip: opensslMissing ?? false }, async () => {
  const authority = new TestAuthority('an authority');
  const pair = authority.sign('server', { reachedAs: 'DNS:coordinator.example' });
  const server = await serve('127.0.0.1:0', new TlsFiles({ ca: authority.caFile, cert: pair.certFile, key: pair.keyFile }));
  const variables = { GOLDDIFF_TLS_CA: authority.caFile, GOLDDIFF_TLS_CERT: pair.certFile, GOLDDIFF_TLS_KEY: pair.keyFile };
  try {
    const at = ['--endpoint', server.address];
    const args = [...at, '--tls-server-name', 'coordinator.example'];
    const flags = ['--tls-ca', authority.caFile, '--tls-cert', pair.certFile, '--tls-key', pair.keyFile];
    const [byVariables, byFlags, without, wrong, refused, plain] = await Promise.all([
      // A process may show its own certificate to itself.
      health(args, variables),
      health([...args, ...flags]),
      health([...args, '--tls-ca', authority.caFile]),
      health([...args, '--tls-ca', pair.keyFile]),
      health([...at, ...flags, '--wait', '3600']),
      health(at),
    ]);
    const serving = { status: 0, out: 'SERVING\n', err: '' };
    assert.deepEqual([byVariables, byFlags], [serving, serving]);
    assert.deepEqual([without.status, without.err], [1, `${server.address} asks for a certificate of ours (--tls-cert and --tls-key)\n`]);
    const noCertificate = `Expected a file with a certificate in PEM for --tls-ca but received ${JSON.stringify(pair.keyFile)}\n`;
    assert.deepEqual([wrong.status, wrong.err], [2, noCertificate]);
    assert.equal(refused.status, 1);
    assert.match(refused.err, /^The certificate of \S+ is not for 127\.0\.0\.1, but for DNS:coordinator\.example/);
    assert.match(plain.err, /^\S+ closed the connection before it said a word: it may expect TLS/);
  } finally {
    server.forceStop();
  }
});
