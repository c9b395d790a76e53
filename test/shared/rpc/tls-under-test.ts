/** A server over TLS with nothing but its health, and clients of it, for tests of who is let in. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { credentials, makeGenericClientConstructor, status as GrpcStatus } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { connect, type ClientTls, type GolddiffClient } from '../../../client/golddiff-client.js';
import { GolddiffError } from '../../../shared/errors.js';
import { startGrpcServer, type GrpcServer } from '../../../shared/rpc/grpc-server.js';
import { TlsFiles, type TlsPaths } from '../../../shared/tls/tls-files.js';
import type { KeyPair } from '../../support/certificates.js';
import { collectingLogger } from './server-under-test.js';

const TIMEOUT_MS = 60_000;

export interface TlsServer {
  readonly server: GrpcServer;
  readonly address: string;
  /** log lines, parsed */
  readonly lines: Record<string, unknown>[];
  /** reasons for which clients were not let in */
  refusals(): unknown[];
}

/** @param paths undefined = plain text. The clock of this server stands at 1970, so that it takes certificates that have expired. */
export async function tlsServer(paths: TlsPaths | undefined, listen = '127.0.0.1:0'): Promise<TlsServer> {
  const lines: Record<string, unknown>[] = [];
  const log = collectingLogger(lines);
  const tls = paths && new TlsFiles(paths, { log, nowUnixMs: () => 0, checkMs: 10 });
  const server = await startGrpcServer({ listen, services: [], log, messageBytesMax: 1_000, tls });
  const refusals = (): unknown[] => lines.filter(({ msg }) => msg === 'a client was not let in').map(({ reason }) => reason);
  return { server, address: server.address, lines, refusals };
}

export function pathsOf(caFile: string | undefined, pair?: KeyPair): TlsPaths {
  return { ...(caFile && { ca: caFile }), ...(pair && { cert: pair.certFile, key: pair.keyFile }) };
}

export function clientTlsOf(caFile: string | undefined, pair?: KeyPair): ClientTls {
  return { ...(caFile && { caFile }), ...pair };
}

/** What a new client gets: its health, or the error, whose status must be UNAVAILABLE. */
export async function ask(address: string, tls: ClientTls | undefined): Promise<string | GolddiffError> {
  const client = connect(address, tls === undefined ? {} : { tls });
  try {
    return await answerOf(client);
  } finally {
    client.close();
  }
}

export function answerOf(client: GolddiffClient): Promise<string | GolddiffError> {
  return client.health('', { timeoutMs: TIMEOUT_MS }).catch((error: unknown) => {
    assert.ok(error instanceof GolddiffError);
    assert.equal(error.grpcStatus, 14, 'UNAVAILABLE');
    assert.equal(error.message.split('\n').length, 1);
    return error;
  });
}

const Health = makeGenericClientConstructor(healthService, 'Health');

/** A client of grpc-js alone, which takes any certificate. */
export async function statusOfForeignClient(address: string, caFile: string, pair: KeyPair): Promise<GrpcStatus> {
  const tls = credentials.createSsl(readFileSync(caFile), readFileSync(pair.keyFile), readFileSync(pair.certFile));
  // By name: an address is none that a client may ask for, and Node says so on stderr.
  const client = new Health(address, tls, { 'grpc.ssl_target_name_override': 'server' });
  const check = healthService['Check']!;
  try {
    return await new Promise((resolve) =>
      client.makeUnaryRequest(
        check.path,
        check.requestSerialize,
        check.responseDeserialize,
        { service: '' },
        { deadline: Date.now() + TIMEOUT_MS },
        (error) => resolve(error?.code ?? GrpcStatus.OK),
      ),
    );
  } finally {
    client.close();
  }
}
