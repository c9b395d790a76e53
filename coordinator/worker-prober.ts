/**
 * Membership for a static list of workers: asks each address in turn what it is, and enters the answer as the worker's heartbeat. A worker that does not
 * answer in time keeps its lease until that ends, since a pause is not a death; one whose address refuses connections twice in a row is taken off at once.
 */

import type { DescribeResponse__Output } from '../proto/generated/golddiff/v1/DescribeResponse.js';
import type { Membership, WorkerStatus } from '../shared/control-plane/control-plane.js';
import { asGolddiffError } from '../shared/errors.js';
import { PROBE_AGAIN_MS, PROBE_INTERVAL_MS, PROBE_TIMEOUT_MS } from '../shared/limits.js';
import type { Logger } from '../shared/log.js';
import type { ChannelTls } from '../shared/rpc/channel-tls.js';
import { WorkerLink } from './worker-link.js';

export interface WorkerProberSettings {
  /** host:port of each worker */
  readonly addresses: readonly string[];
  readonly membership: Membership;
  readonly log: Logger;
  /** absent = plain text */
  readonly tls?: ChannelTls | undefined;
  readonly intervalMs?: number;
  readonly timeoutMs?: number;
}

/** What is known of one address. */
interface Target {
  readonly address: string;
  readonly link: WorkerLink;
  workerId: string | undefined;
  /** what the log has of its TLS since it last answered */
  tlsFailure: string | undefined;
  refusals: number;
  timer: NodeJS.Timeout | undefined;
  probing: boolean;
}

const REFUSALS_MAX = 2;

export class WorkerProber {
  readonly #targets: readonly Target[];
  #stopped = false;

  constructor(private readonly settings: WorkerProberSettings) {
    this.#targets = settings.addresses.map((address) => ({
      address,
      link: new WorkerLink(address, address, settings.tls),
      workerId: undefined,
      tlsFailure: undefined,
      refusals: 0,
      timer: undefined,
      probing: false,
    }));
  }

  start(): void {
    for (const target of this.#targets) void this.#probe(target);
  }

  /** Looks after one worker now: a step has lost it. */
  suspect(workerId: string): void {
    for (const target of this.#targets) if (target.workerId === workerId) void this.#probe(target);
  }

  stop(): void {
    this.#stopped = true;
    for (const target of this.#targets) {
      clearTimeout(target.timer);
      target.link.close();
    }
  }

  async #probe(target: Target): Promise<void> {
    if (target.probing || this.#stopped) return;
    target.probing = true;
    clearTimeout(target.timer);
    let againMs = this.settings.intervalMs ?? PROBE_INTERVAL_MS;
    try {
      const reply = await target.link.describe(this.settings.timeoutMs ?? PROBE_TIMEOUT_MS);
      if (!this.#stopped) await this.#heard(target, reply);
    } catch (thrown) {
      if (!this.#stopped && (await this.#failed(target, thrown))) againMs = PROBE_AGAIN_MS;
    } finally {
      target.probing = false;
    }
    if (this.#stopped) return;
    target.timer = setTimeout(() => void this.#probe(target), againMs);
  }

  async #heard(target: Target, reply: DescribeResponse__Output): Promise<void> {
    const { membership, log } = this.settings;
    target.refusals = 0;
    target.tlsFailure = undefined;
    const twin = this.#targets.find((other) => other !== target && other.workerId === reply.workerId);
    if (reply.workerId === '' || twin !== undefined) {
      log.error({ address: target.address, workerId: reply.workerId, other: twin?.address }, 'a worker without an id of its own is not used');
      return;
    }
    if (target.workerId !== reply.workerId) {
      if (target.workerId !== undefined) await membership.remove(target.workerId);
      log.info({ address: target.address, workerId: reply.workerId, backend: reply.backend }, 'worker joined');
      target.workerId = reply.workerId;
    }
    await membership.heartbeat(statusOf(reply, target.address));
  }

  /** True = ask again soon. */
  async #failed(target: Target, thrown: unknown): Promise<boolean> {
    const error = asGolddiffError(thrown);
    const { log, membership } = this.settings;
    log.debug({ address: target.address, workerId: target.workerId, code: error.code }, `probe failed: ${error.message}`);
    // Nothing else would say why a worker that runs has no work.
    if (error.code === 'TLS_FAILED' && error.message !== target.tlsFailure)
      log.error(
        { address: target.address, workerId: target.workerId, reason: (target.tlsFailure = error.message) },
        'a worker cannot be reached over TLS',
      );
    if (target.workerId === undefined) return false;
    // Silence ends with the lease, and an answer before then saves it.
    if (error.code !== 'WORKER_LOST') return true;
    target.refusals++;
    if (target.refusals < REFUSALS_MAX) return true;
    log.warn({ address: target.address, workerId: target.workerId }, 'worker left');
    const { workerId } = target;
    target.workerId = undefined;
    await membership.remove(workerId);
    return false;
  }
}

function statusOf(reply: DescribeResponse__Output, address: string): WorkerStatus {
  return {
    workerId: reply.workerId,
    instanceId: reply.instanceId,
    address,
    backend: reply.backend,
    deviceMemoryBytes: reply.deviceMemoryBytes,
    deviceMemoryUsedBytes: reply.deviceMemoryUsedBytes,
    openSteps: reply.openSteps,
    draining: reply.draining,
    held: reply.held.map(({ dataSet, partition, sha256, epoch, failure }) => ({
      dataSet,
      partition,
      sha256,
      epoch,
      ...(failure === '' ? {} : { failure }),
    })),
  };
}
