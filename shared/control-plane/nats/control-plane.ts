/** The control plane over NATS: opens the connection and everything that is kept there. */

import { hostname } from 'node:os';
import { asGolddiffError, invariant } from '../../errors.js';
import { ARTIFACT_SWEEP_INTERVAL_MS, LEADER_LEASE_MS, WORKER_LEASE_MS } from '../../limits.js';
import type { Logger } from '../../log.js';
import type { ControlPlane } from '../control-plane.js';
import { NatsArtifacts } from './artifacts.js';
import { NatsJobs } from './jobs.js';
import { NatsLeadership } from './leadership.js';
import { NatsMembership } from './membership.js';
import { NatsPlacements } from './placements.js';
import type { NatsSecurityFlags } from './security.js';
import { NatsSession } from './session.js';
import { openStateBucket } from './state-bucket.js';

export interface NatsControlPlaneSettings {
  /** as SessionSettings */
  readonly servers: readonly string[];
  readonly security?: NatsSecurityFlags;
  readonly log: Logger;
  readonly namespace?: string;
  /** see SessionSettings; default 1 */
  readonly replicas?: number;
  readonly workerLeaseMs?: number;
  readonly leaderLeaseMs?: number;
  readonly connectTimeoutMs?: number;
  /** follows the workers from the start, and removes artifacts that have expired. A worker, which only sends, does neither. Default true */
  readonly observes?: boolean;
}

export interface NatsControlPlane extends ControlPlane {
  readonly kind: 'nats';
  readonly jobs: NatsJobs;
  readonly artifacts: NatsArtifacts;
}

export const NATS_NAMESPACE_DEFAULT = 'golddiff';

/** @throws CONTROL_PLANE_LOST where no server answers; CONTROL_PLANE_REFUSED */
export async function createNatsControlPlane(settings: NatsControlPlaneSettings): Promise<NatsControlPlane> {
  const { servers, log } = settings;
  const workerLeaseMs = settings.workerLeaseMs ?? WORKER_LEASE_MS;
  invariant(workerLeaseMs > 0, 'a lease lasts a while');
  const session = await NatsSession.open({
    servers,
    namespace: settings.namespace ?? NATS_NAMESPACE_DEFAULT,
    replicas: settings.replicas ?? 1,
    clientName: `golddiff ${hostname()} ${process.pid}`,
    ...(settings.security === undefined ? {} : { security: settings.security }),
    ...(settings.connectTimeoutMs === undefined ? {} : { connectTimeoutMs: settings.connectTimeoutMs }),
  });
  try {
    const state = await openStateBucket(session);
    const membership = await NatsMembership.open(session, state, workerLeaseMs);
    const placements = new NatsPlacements(state);
    const leadership = await NatsLeadership.open(session, settings.leaderLeaseMs ?? LEADER_LEASE_MS);
    const artifacts = await NatsArtifacts.open(session);
    const jobs = await NatsJobs.open(session, artifacts);
    const sweep = (): void => {
      artifacts.sweep().catch((thrown: unknown) => log.debug({ code: asGolddiffError(thrown).code }, 'artifacts were not swept'));
    };
    const timer = settings.observes === false ? undefined : setInterval(sweep, ARTIFACT_SWEEP_INTERVAL_MS);
    timer?.unref();
    if (settings.observes !== false) membership.observe();
    void logStates(session, log);
    return {
      kind: 'nats',
      membership,
      placements,
      leadership,
      jobs,
      artifacts,
      close: async () => {
        clearInterval(timer);
        membership.close();
        state.watch.stop();
        leadership.close();
        jobs.close();
        await session.close();
      },
    };
  } catch (error) {
    await session.close();
    throw error;
  }
}

async function logStates(session: NatsSession, log: Logger): Promise<void> {
  for await (const status of session.connection.status()) {
    const { type } = status;
    if (type === 'error') log.warn({ server: session.connection.getServer() }, `NATS: ${status.error.message}`);
    if (type === 'disconnect') log.warn('NATS is away; what is known stays in effect');
    if (type === 'reconnect') log.info({ server: session.connection.getServer() }, 'NATS is back');
  }
}
