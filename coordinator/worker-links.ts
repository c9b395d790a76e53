import { GolddiffError } from '../shared/errors.js';
import type { ChannelTls } from '../shared/rpc/channel-tls.js';
import type { MessageCounter } from '../shared/rpc/counted-messages.js';
import { WorkerLink } from './worker-link.js';

/** The links of this coordinator, one for each worker id; made when first asked for, remade when a worker comes back under another address. */
export class WorkerLinks {
  readonly #links = new Map<string, WorkerLink>();
  #closed = false;

  /** @param countMessage gets every message of the streams of steps. @param tls absent = plain text */
  constructor(
    private readonly countMessage: MessageCounter = () => {},
    private readonly tls?: ChannelTls,
  ) {}

  get(workerId: string, address: string): WorkerLink {
    if (this.#closed) throw new GolddiffError('DRAINING', 'The coordinator is shutting down');
    const known = this.#links.get(workerId);
    if (known?.address === address) return known;
    known?.close();
    const link = new WorkerLink(workerId, address, this.tls, this.countMessage);
    this.#links.set(workerId, link);
    return link;
  }

  /** The worker does not answer: its open steps fail with WORKER_LOST. */
  lose(workerId: string, why: string): void {
    this.#links.get(workerId)?.lose(why);
  }

  /** Closes the links of workers that are not listed; their open steps fail with WORKER_LOST. */
  keepOnly(workerIds: ReadonlySet<string>): void {
    for (const [id, link] of this.#links) {
      if (workerIds.has(id)) continue;
      link.close();
      this.#links.delete(id);
    }
  }

  close(): void {
    this.#closed = true;
    this.keepOnly(new Set());
  }
}
