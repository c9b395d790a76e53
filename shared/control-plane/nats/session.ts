/**
 * One connection to NATS, and what a control plane keeps there: key-value buckets, object stores, streams, all under one namespace. Made if they are not there;
 * where they are, they stay as they are. A server that goes away is looked for again without end: the callers meanwhile get CONTROL_PLANE_LOST and try again.
 */

import { jetstream, jetstreamManager, JetStreamApiCodes, JetStreamApiError, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import { Kvm, type KV } from '@nats-io/kv';
import { nanos, type NatsConnection } from '@nats-io/nats-core';
import { Objm, StorageType, type ObjectStore } from '@nats-io/obj';
import { connect } from '@nats-io/transport-node';
import { again } from '../../again.js';
import { defined } from '../../defined.js';
import { GolddiffError } from '../../errors.js';
import { NATS_CONNECT_TIMEOUT_MS, NATS_MADE_AGAIN_MS, NATS_RECONNECT_JITTER_MS, NATS_RECONNECT_MS, NATS_REQUEST_TIMEOUT_MS } from '../../limits.js';
import { connectionRefusal, refusalBySilence } from './connection-refusal.js';
import { natsSecurity, type NatsSecurity, type NatsSecurityFlags } from './security.js';
import { serverPlaces } from './server-address.js';
import { identityCheck } from './server-identity.js';

export interface SessionSettings {
  /** as natsServers reads them, any of one cluster */
  readonly servers: readonly string[];
  /** first part of every name: clusters of different namespaces share a server without meeting */
  readonly namespace: string;
  /** copies of everything on different servers, 1, 3 or 5; asked for when something is made */
  readonly replicas: number;
  /** shown by the server */
  readonly clientName: string;
  /** beside what the environment and the addresses say, see natsSecurity */
  readonly security?: NatsSecurityFlags;
  readonly connectTimeoutMs?: number;
}

export class NatsSession {
  private constructor(
    readonly settings: SessionSettings,
    readonly connection: NatsConnection,
    readonly streams: JetStreamClient,
    readonly manager: JetStreamManager,
  ) {}

  /** @throws ARGUMENT_INVALID for what natsSecurity refuses; CONTROL_PLANE_LOST where no server answers in time, or none that keeps data (JetStream); CONTROL_PLANE_REFUSED where it refuses us, or we it */
  static async open(settings: SessionSettings): Promise<NatsSession> {
    const places = serverPlaces(settings.servers);
    const security = natsSecurity(settings.security ?? {}, places, process.env);
    const where = places.servers.join(', ');
    const boundMs = settings.connectTimeoutMs ?? NATS_CONNECT_TIMEOUT_MS;
    const connection = await firstConnection(settings, places.servers, security, boundMs).catch((error: unknown) => {
      if (error instanceof GolddiffError) throw error;
      throw lost(`Expected a NATS server at ${where} within ${boundMs} ms but none answered`, error);
    });
    try {
      const manager = await jetstreamManager(connection, { timeout: NATS_REQUEST_TIMEOUT_MS });
      return new NatsSession(settings, connection, jetstream(connection, { timeout: NATS_REQUEST_TIMEOUT_MS }), manager);
    } catch (error) {
      await connection.close();
      throw lost(`Expected the NATS server at ${where} to run with JetStream (nats-server -js) but it does not answer for it`, error);
    }
  }

  /** `golddiff_jobs`: names of streams and buckets have no dots. */
  name(part: string): string {
    return `${this.settings.namespace}_${part}`;
  }

  /** Values of one revision each. Read from the leader alone: what one process has written, every other one sees. */
  bucket(part: string, ttlMs = 0): Promise<KV> {
    const options = { history: 1, replicas: this.settings.replicas, storage: StorageType.File, ttl: ttlMs, allow_direct: false };
    return callToMake(`open the bucket ${this.name(part)}`, () => new Kvm(this.streams).create(this.name(part), options));
  }

  objects(part: string, ttlMs = 0): Promise<ObjectStore> {
    const options = { replicas: this.settings.replicas, storage: StorageType.File, ttl: nanos(ttlMs) };
    return callToMake(`open the object store ${this.name(part)}`, () => new Objm(this.streams).create(this.name(part), options));
  }

  async close(): Promise<void> {
    await this.connection.close();
  }
}

/** Runs one exchange with NATS; what goes wrong comes out as CONTROL_PLANE_LOST, which says that it may be tried again. */
export async function call<T>(purpose: string, exchange: () => Promise<T>): Promise<T> {
  try {
    return await exchange();
  } catch (error) {
    if (error instanceof GolddiffError) throw error;
    throw lost(`NATS did not ${purpose}: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

/**
 * For what is made where it is not there: a server that is told by several at once to make the same stream may say to one of them that its subjects are taken,
 * when the others' is not yet to be seen. The exchange looks and makes again then, for a while.
 */
export function callToMake<T>(purpose: string, exchange: () => Promise<T>, withinMs = NATS_REQUEST_TIMEOUT_MS): Promise<T> {
  const endMs = performance.now() + withinMs;
  const madeByAnother = (thrown: unknown): boolean => thrown instanceof JetStreamApiError && MADE_BY_ANOTHER.includes(thrown.code);
  return call(purpose, () => again(exchange, { endMs, everyMs: NATS_MADE_AGAIN_MS, while: madeByAnother }));
}

/** Codes of nats-server: subjects overlap with an existing stream; stream name already in use (with another configuration). */
const MADE_BY_ANOTHER: readonly number[] = [10065, 10058];

/** A write that names the revision that it replaces: undefined where another was faster, else the new revision. */
export async function unlessOvertaken(purpose: string, write: () => Promise<number>): Promise<number | undefined> {
  return call(purpose, async () => {
    try {
      return await write();
    } catch (error) {
      const codes: readonly number[] = [JetStreamApiCodes.StreamWrongLastSequence, JetStreamApiCodes.StreamWrongLastSequenceUnknown];
      if (error instanceof JetStreamApiError && codes.includes(error.code)) return undefined;
      throw error;
    }
  });
}

function lost(message: string, cause: unknown): GolddiffError {
  return new GolddiffError('CONTROL_PLANE_LOST', message, { retryAfterMs: NATS_RECONNECT_MS }, { cause });
}

/** The library's own wait for a first connection has no end. What will not change by itself ends ours at once. */
async function firstConnection(
  { clientName }: SessionSettings,
  servers: readonly string[],
  security: NatsSecurity,
  boundMs: number,
): Promise<NatsConnection> {
  const endMs = performance.now() + boundMs;
  // The library hands to Node whatever else stands here.
  const tls = { ...security.tls, checkServerIdentity: identityCheck(servers) };
  const tryOnce = (): Promise<NatsConnection> =>
    connect({
      servers: [...servers],
      name: clientName,
      timeout: Math.max(NATS_RECONNECT_MS, Math.min(NATS_REQUEST_TIMEOUT_MS, endMs - performance.now())),
      maxReconnectAttempts: -1,
      reconnectTimeWait: NATS_RECONNECT_MS,
      reconnectJitter: NATS_RECONNECT_JITTER_MS,
      // Credentials may be replaced while we run, and a server that refused them twice may take them later.
      ignoreAuthErrorAbort: true,
      ...defined({ tls: security.tls && tls, authenticator: security.authenticator }),
    });
  const orRefused = async (error: unknown): Promise<never> => {
    const refusal = connectionRefusal(error, servers.join(', '), security);
    if (refusal !== undefined) throw refusal;
    // One that has our certificate may be slow; one that lacks it will not come to like that.
    if (security.tls?.certFile === undefined || performance.now() + NATS_RECONNECT_MS >= endMs) {
      const silent = await refusalBySilence(servers, security);
      if (silent !== undefined) throw silent;
    }
    throw error;
  };
  return again(() => tryOnce().catch(orRefused), { endMs, everyMs: NATS_RECONNECT_MS, while: (thrown) => !(thrown instanceof GolddiffError) });
}
