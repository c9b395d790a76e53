/**
 * What agrees and remembers: membership, placement, jobs, artifacts. Two implementations keep this contract: in-process.ts for the embedded
 * cluster and static worker lists, and nats/control-plane.ts for a real one; test/shared/control-plane/contract.ts runs the same tests on both.
 *
 * Times are from the holder's own monotonic clock: a lease ends when nothing has been heard for leaseMs, whatever the sender's clock says.
 */

/** What a worker says of itself. */
export interface WorkerStatus {
  readonly workerId: string;
  /** new at every start of the process */
  readonly instanceId: string;
  /** host:port of its gRPC server */
  readonly address: string;
  readonly backend: string;
  readonly deviceMemoryBytes: number;
  readonly deviceMemoryUsedBytes: number;
  readonly openSteps: number;
  readonly draining: boolean;
  readonly held: readonly HeldPartition[];
}

export interface HeldPartition {
  readonly dataSet: string;
  readonly partition: number;
  readonly sha256: string;
  readonly epoch: number;
  /** undefined = loaded and served */
  readonly failure?: string;
}

export interface Membership {
  /** Renews the worker's lease and replaces what is known of it. */
  heartbeat(status: WorkerStatus): Promise<void>;
  /** Ends the lease now: a worker that says goodbye or was seen to die. Unknown ids are ignored. */
  remove(workerId: string): Promise<void>;
  /** Has a worker emptied, or no longer: it counts as draining whatever it says itself, until the order is taken back, also after a start anew. */
  drain(workerId: string, on: boolean): Promise<void>;
  /** Workers with a live lease, by id. */
  list(): Promise<readonly WorkerStatus[]>;
  /** Called after every change of the list, and maybe once for how it is, until the returned function is called. */
  watch(onChange: (workers: readonly WorkerStatus[]) => void): () => void;
}

/** Who holds what, as one document. Replicas are worker ids, the preferred one first. */
export interface PlacementDocument {
  readonly dataSet: string;
  readonly contentHash: string;
  readonly epoch: number;
  /** for each partition id, ascending */
  readonly partitions: readonly { readonly partition: number; readonly replicas: readonly string[] }[];
}

export interface Placements {
  get(dataSet: string): Promise<PlacementDocument | undefined>;
  /** Writes the document if the stored epoch is still `expectedEpoch` (0 = none stored); the document's epoch must be larger. False = lost the race. */
  compareAndSet(document: PlacementDocument, expectedEpoch: number): Promise<boolean>;
  /** Called after every change, and maybe once for the document that is there. */
  watch(dataSet: string, onChange: (document: PlacementDocument) => void): () => void;
}

/** One process at a time plans placements. A leader that was stopped may act once more before it notices: its writes must be compare-and-set. */
export interface Leadership {
  /** Runs for leader under a name of its own until the returned function is called, which also gives the lead up. Told of every change, not of a start without lead. */
  campaign(candidate: string, onChange: (leading: boolean) => void): () => Promise<void>;
  /** The candidate that leads, as far as it is known. */
  leader(): Promise<string | undefined>;
}

/** A unit of work that outlives any process. The payload is opaque here. */
export interface JobRecord {
  readonly jobId: string;
  readonly payload: Uint8Array;
  readonly state: 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';
  readonly deliveries: number;
  readonly progress: Uint8Array | undefined;
  readonly failure: string | undefined;
  readonly submittedUnixMs: number;
  /** of the last change */
  readonly changedUnixMs: number;
  /** grows by one at every change */
  readonly revision: number;
}

/** Held by the one process that works on a job; lost when its lease ends. */
export interface JobLease {
  readonly job: JobRecord;
  /** Renews the lease and records progress. False: the lease was lost or the job cancelled; stop. */
  progress(progress: Uint8Array): Promise<boolean>;
  succeed(): Promise<void>;
  fail(reason: string): Promise<void>;
  /** Gives the job back for another to take. */
  release(): Promise<void>;
}

/** How the jobs of the whole cluster stand. */
export interface JobQueue {
  /** whose records are kept */
  readonly byState: Readonly<Record<JobRecord['state'], number>>;
  /** when the oldest job that waits was submitted; undefined = none waits */
  readonly oldestQueuedUnixMs: number | undefined;
  /** deliveries after the first, over the jobs whose records are kept */
  readonly redeliveries: number;
  /** jobs given up after their last delivery, whose letters are kept */
  readonly deadLetters: number;
}

export interface Jobs {
  /** The same id gives the same job: the second call answers the record that is there. */
  submit(jobId: string, payload: Uint8Array): Promise<JobRecord>;
  get(jobId: string): Promise<JobRecord | undefined>;
  /** Newest first; `after` is a job id of the previous page. */
  list(limit: number, after?: string): Promise<readonly JobRecord[]>;
  /** The oldest job that waits, or undefined if none does; may wait a second for one. A job delivered deliveriesMax times fails instead. */
  take(leaseMs: number, deliveriesMax: number): Promise<JobLease | undefined>;
  cancel(jobId: string): Promise<JobRecord | undefined>;
  watch(jobId: string, onChange: (job: JobRecord) => void): () => void;
  queue(): Promise<JobQueue>;
}

/** Bytes by name: checkpoints, results, partitions. */
export interface Artifacts {
  /** Replaces what was there, at once for readers. */
  put(name: string, bytes: Uint8Array, expiresAfterMs?: number): Promise<void>;
  get(name: string): Promise<Uint8Array | undefined>;
  delete(name: string): Promise<void>;
}

export interface ControlPlane {
  readonly kind: 'in-process' | 'nats';
  readonly membership: Membership;
  readonly placements: Placements;
  readonly leadership: Leadership;
  readonly jobs: Jobs;
  readonly artifacts: Artifacts;
  close(): Promise<void>;
}
