/** Every limit of the system, with its reason. Units last in names. */

/** Queries in one step. Beyond this the state of a step outgrows its use: scores are memory-bound by about 64. */
export const BATCH_ROWS_MAX = 256;
/** Default number of images a sampler moves together. */
export const BATCH_ROWS_DEFAULT = 64;
/** Values in one row, C*H*W: 1024 x 1024 RGB. */
export const ROW_VALUES_MAX = 3_145_728;
/** Row ids travel as uint32. */
export const DATA_SET_ROWS_MAX = 4_294_967_295;
export const PARTITIONS_MAX = 65_536;
/** Partitions of an import where none are named: more than the usual number of workers, so that work can move. */
export const PARTITIONS_DEFAULT = 16;
export const SAMPLE_COUNT_MAX = 65_536;
export const SAMPLE_STEPS_MAX = 1_000;
export const SAMPLE_STEPS_DEFAULT = 10;
/** Seeds and ids are JavaScript numbers. */
export const SEED_MAX = Number.MAX_SAFE_INTEGER;

/** Public messages: x0hat, score and eps of 256 x 12,288 in float32 are 38 MB. */
export const PUBLIC_MESSAGE_BYTES_MAX = 64 * 1024 * 1024;
/** HTTP/2 window that a coordinator offers to its clients: a small batch arrives without a stop, and a slow coordinator still stops a fast client soon. */
export const PUBLIC_WINDOW_BYTES = 1024 * 1024;
/** Internal messages are chunks and scalars; a screen part of a large batch is the biggest. */
export const INTERNAL_MESSAGE_BYTES_MAX = 64 * 1024 * 1024;
/** Piece of a tensor on the data plane. */
export const DATA_PLANE_CHUNK_BYTES = 256 * 1024;
/** HTTP/2 window that coordinator and worker offer to each other: keeps queries and sums from stopping every 64 KiB. */
export const DATA_PLANE_WINDOW_BYTES = 8 * 1024 * 1024;

/** Steps that a coordinator runs at once; more would only share the same workers. */
export const COORDINATOR_STEPS_MAX = 4;
/** Steps that may wait for a place; beyond that RESOURCE_EXHAUSTED. */
export const COORDINATOR_QUEUE_MAX = 64;
/** What RetryInfo says when the queue is full. */
export const QUEUE_RETRY_AFTER_MS = 500;
/** Open steps on a worker, over all coordinators. */
export const WORKER_STEPS_MAX = 64;
/** Bytes of step state (queries, keys, logits) on a worker. Beyond that the reference backend computes keys again instead of keeping them, and a step of the native one fails. */
export const WORKER_STEP_STATE_BYTES_MAX = 2 * 1024 * 1024 * 1024;
/** Requests of one ScoreStream that wait for their answer; then the stream is not read. */
export const SCORE_STREAM_PENDING_MAX = 8;

/** A step without a caller's deadline. */
export const STEP_TIMEOUT_MS = 600_000;
/** Taken off the caller's deadline, so that an answer of ours still arrives. */
export const DEADLINE_MARGIN_MS = 20;
/** Loading and verifying all partitions of one worker. */
export const ASSIGN_TIMEOUT_MS = 1_800_000;
export const PROBE_INTERVAL_MS = 500;
/** Two probes in a row may time out within a lease: one slow answer must not end it. */
export const PROBE_TIMEOUT_MS = 1_000;
/** A worker that has not been heard of for so long is dead. Six probes: a collection pause must not kill one. */
export const WORKER_LEASE_MS = 3_000;
/** Attempts of one step when workers die under it. */
export const STEP_ATTEMPTS_MAX = 3;
/** Hedges for each hundred requests to workers: what a healthy cluster's slowest twentieth would need, and little beside the work itself. */
export const HEDGE_PERCENT_DEFAULT = 5;
/** A worker is late beyond this percentile of the times seen for such a round. */
export const HEDGE_PERCENTILE_DEFAULT = 95;
/** No hedge earlier: a pause for garbage or a busy core takes as long, and is over before a second worker could answer. */
export const HEDGE_DELAY_MS_DEFAULT = 20;
/** Of a kind of round that has not been seen often enough an answer is late after this, if others of the round have answered: no usual step takes a second on one worker alone. */
export const HEDGE_COLD_DELAY_MS = 1_000;
/** Hedges that may be saved up: enough to carry every step that runs over the moment in which a worker stops answering. */
export const HEDGE_TOKENS_SAVED = 10;
/** Times that are kept of a kind of round: a minute or so of a sampler's. */
export const HEDGE_SAMPLES = 128;
/** Times to be seen before a percentile of them means something. */
export const HEDGE_SAMPLES_MIN = 20;
/** Kinds of rounds whose times are kept, a kilobyte each; the oldest go. */
export const ROUND_KINDS_MAX = 256;
/** A worker that was slow and is not asked any more is half forgiven after this: it is tried again within some of them. */
export const SLOWNESS_HALF_LIFE_MS = 5_000;
/** A worker so little slower than the others is one of them: smaller differences are noise of the scheduler, and moving work for them helps nobody. */
export const SLOWNESS_IGNORED = 1.5;
/** Slower than this is as good as dead, and one bad round should not be remembered for minutes. */
export const SLOWNESS_MAX = 32;
/** A worker that was given up once is left alone so long: about the longest pause of a healthy one. */
export const GIVEN_UP_FOR_MS = 250;
/** However often it was given up, it is tried again after this. */
export const GIVEN_UP_FOR_MS_MAX = 8_000;
/** Added to both times before they are compared: below it a difference is that of two wake-ups. */
export const SLOWNESS_TIME_FLOOR_MS = 5;
/** Draining: time for the work under way before the process ends. */
export const DRAIN_TIMEOUT_MS = 30_000;

/** A partition with less of the mass adds nothing to a weighted sum: its values would move x0hat by less than 2^-39 of the data's range. */
export const NEGLIGIBLE_SHARE = 2 ** -40;
/** Rows further below the global maximum are not added: e^-60 is far under one ulp of any float32 sum. */
export const NEGLIGIBLE_LOGIT_NATS = 60;
/** Skipped shares are rounded up to multiples of this: sums of them below 2^-24 are exact in double, thus the same in any order. */
export const SKIPPED_SHARE_QUANTUM = 2 ** -76;
/** Bins of the logit histogram: 40 nats in 1/32 nat. */
export const HISTOGRAM_BINS = 1_280;
export const HISTOGRAM_BINS_PER_NAT = 32;

/** Half-width of a rank window in standard deviations of the local rank, for shuffled rows: 1 of 150,000 windows is too narrow, and its partition asked once more. */
export const RANK_WINDOW_SIGMAS = 4.5;
/** Added to the half-width, for small partitions. */
export const RANK_WINDOW_SLACK = 8;
/** A pool of so many subsets or more: there few rows matter, and a proof that cuts do not bind mostly holds. On MNIST and CIFAR-10 from t = 300 down. */
export const POOL_PROOF_RATIO = 3;
/** Rounds of a rank search; each widens the windows fourfold, so this many span any partition. */
export const RANK_ROUNDS_MAX = 24;

/** Proxies: pixels per side after pooling, at most. */
export const PROXY_RESOLUTION_MAX = 16;
/** Golden sizes where the caller names none. */
export const K_MIN_DEFAULT_MAX = 10_000;
export const K_MAX_DEFAULT_MAX = 20_000;

/** Rows between two looks at the cancel flag in a compute thread: about a millisecond. */
export const CANCEL_CHECK_ROWS = 256;
/** Images in one SampleImages message. */
export const SAMPLE_IMAGES_BYTES_MAX = 4 * 1024 * 1024;
/** Images in a preview where the caller names none. */
export const PREVIEW_COUNT_DEFAULT = 8;
/** Pages of the list calls. */
export const PAGE_SIZE_MAX = 1_000;

/** Text of a status, and file names in it: trailers are HTTP/2 headers, of which peers accept about 8 KiB in all, and the text goes three times. */
export const STATUS_TEXT_CHARS_MAX = 600;
/** Partitions named in a status, as ranges: some hundreds of numbers; the answer's coverage has them all. */
export const STATUS_PARTITIONS_CHARS_MAX = 1_500;
/** HTTP/2 pings between quiet peers: a peer that vanished without a word is noticed within their sum. */
export const KEEPALIVE_TIME_MS = 20_000;
export const KEEPALIVE_TIMEOUT_MS = 10_000;
/** Between two looks whether TLS files were replaced: three small files, and whoever replaces them does not wait long for it to count. */
export const TLS_FILES_CHECK_MS = 1_000;
/** The same refusal of the same peer's handshake is said once in so long: a client that tries again and again must not fill the log. */
export const TLS_REFUSAL_LOG_MS = 60_000;
/** Peers whose refusals are remembered for that. */
export const TLS_REFUSED_PEERS_MAX = 1_000;
/** An answer of the health service: one that takes longer is as good as none. */
export const HEALTH_CHECK_TIMEOUT_MS = 5_000;
/** Between two questions of `golddiff health --wait`. */
export const HEALTH_AGAIN_MS = 250;
/** A worker that restarts should be found again soon; gRPC's own 20 s to 2 minutes suits wide networks. */
export const RECONNECT_BACKOFF_MIN_MS = 100;
export const RECONNECT_BACKOFF_MAX_MS = 2_000;
/** Messages of one stream that wait to be taken by its handler; then the stream is not read. */
export const STREAM_INBOX_MESSAGES_MAX = 16;
/** After the last call of ours has ended: time for its bytes to leave, before health watchers are cut off. */
export const DRAIN_GRACE_MS = 100;
/** Scale factors of data and noise: far beyond use, and squares and quotients of them stay finite in double. */
export const LEVEL_MIN = 1e-9;
export const LEVEL_MAX = 1e9;
/** Largest magnitude of a query's value: its square times D stays finite. */
export const QUERY_VALUE_MAX = 1e30;
/** How often the in-process control plane looks for leases that have ended: well under any lease. */
export const LEASE_SWEEP_INTERVAL_MS = 250;
/** Lines of a child's log that are kept for the report of its death. */
export const CHILD_LOG_LINES_KEPT = 5;
/** Workers of an embedded cluster: it is one machine, and each is a process of some 60 MB before any data. */
export const EMBEDDED_SHARDS_MAX = 64;
/** Coordinators of an embedded cluster: they share one machine, and each is a process. */
export const EMBEDDED_COORDINATORS_MAX = 16;
/** From the start of a process to its readiness: a worker of an embedded cluster reads nothing, its coordinator waits while gigabytes are verified. */
export const EMBEDDED_READY_TIMEOUT_MS = 120_000;
/** An embedded cluster serves only its own command, so there is nothing to wait for when that ends. */
export const EMBEDDED_STOP_TIMEOUT_MS = 5_000;

/** Rows that wait for the disk during an import, over all partitions; at least one row for each. */
export const IMPORT_BUFFER_BYTES_MAX = 64 * 1024 * 1024;
/** Rows between two checkpoints of an import: a second of work at most is lost, and the disk is made to sync rarely. */
export const IMPORT_CHECKPOINT_BYTES = 64 * 1024 * 1024;

/** A worker that refused a connection or did not answer in time is asked again after this; refusing twice, it is gone. */
export const PROBE_AGAIN_MS = 100;
/** At its start a coordinator waits so long for all listed workers, before it places partitions on those that came. */
export const WORKERS_SETTLE_MS = 10_000;
/** A step waits so long for partitions that nobody holds: enough to see a killed worker's small partitions loaded elsewhere. */
export const PLACEMENT_WAIT_MS = 2_000;

/** Partitions that a worker reads and verifies at once: one hashes while the other waits for the disk. */
export const PARTITION_LOADS_MAX = 2;
/** Share of the machine's memory offered for resident rows where no --device-memory is given; the rest is for step state and buffers. */
export const DEVICE_MEMORY_SHARE = 0.8;
/** Keys in one ScreenPart: a part is split between queries above this, so that no answer nears the message limit. */
export const SCREEN_PART_BYTES = 4 * 1024 * 1024;
/** Ids of failed steps that a stream remembers, so that what was already on its way for them is not answered again. */
export const ENDED_STEPS_REMEMBERED = 4_096;
/** A caller that gives up so shortly before its deadline gives up because of it: its timer fires early by as much as its event loop was late. */
export const DEADLINE_EARLY_MS = 100;
/** setTimeout takes no more; a longer step timeout is as good as none. */
export const TIMER_MS_MAX = 2 ** 31 - 1;

/** Partitions with fewer rows get and use no index unless a request asks for it: a scan of their proxies takes a few milliseconds at most. */
export const INDEX_ROWS_MIN = 16_384;
/** Threads that hold and search indexes: searches of one partition are one after another, of several side by side. */
export const INDEX_THREADS_MAX = 8;
/** A build lets searches of the same thread through so often. */
export const INDEX_BUILD_SLICE_MS = 5;
/** A process that exits at once still waits so long for each index thread to leave the library: one search, or the writing of a file. */
export const INDEX_EXIT_WAIT_MS = 2_000;
/** Rows between two lines in the log about a build: about ten seconds. */
export const INDEX_PROGRESS_ROWS = 50_000;
/** Share of the searched queries whose candidates are compared with the scan's, for the recall that is reported: the scans add 1/64 of their cost. */
export const INDEX_RECALL_SAMPLE = 1 / 64;
/** Share of a partition's mass that a fast backend may leave out where that is proven: below one ulp of a float32 sum; it is counted in the bound. */
export const MASS_TOLERANCE_DEFAULT = 2 ** -24;
/** Beyond half of the mass left out an answer says nothing. */
export const MASS_TOLERANCE_MAX = 0.5;

/** Support sets that a worker, and a coordinator, keeps: those of some hundred noise levels of small pictures. */
export const SUPPORT_SETS_BYTES_MAX = 256 * 1024 * 1024;
/** Values in a row where a covariance is needed: D^2 doubles, and D^3 / 2 multiply-adds for each noise level. */
export const COVARIANCE_VALUES_MAX = 4_096;
/** Different noise levels in one step of a denoiser that prepares something for each: more would hold the queue for minutes. */
export const PREPARED_LEVELS_MAX = 16;
/** Summing the moments of all partitions of one worker, n D^2 / 2 multiply-adds in double. */
export const MOMENTS_TIMEOUT_MS = 1_800_000;
/** Handing a support set over: megabytes at most. */
export const SUPPORTS_TIMEOUT_MS = 30_000;
/** Least (sigma / alpha)^2 with a denoiser that inverts the covariance with noise: below it rounding may leave the matrix without an inverse. */
export const NOISE_RATIO_MIN = 1e-9;
/** Pixels per side of a patch: beyond any image that fits a row. */
export const PATCH_SIZE_MAX = 4_095;
/** Locations of an image whose patches are taken from everywhere: each pair of them is a distance, 16.7 million a row at 64 x 64, which is half a second. */
export const EQUIVARIANT_LOCATIONS_MAX = 4_096;
/** Partitions of one step with groups that a worker has under way for each compute thread: the next is ready when one is done, and few partials wait. */
export const GROUPS_PER_THREAD = 2;

/** A first connection to NATS: beyond that the process ends and says so, and who started it may start it again. */
export const NATS_CONNECT_TIMEOUT_MS = 10_000;
/** One exchange with NATS: an election of its own after the loss of a server takes about two seconds. */
export const NATS_REQUEST_TIMEOUT_MS = 3_000;
/** Between two tries to make what another process is making at this moment. */
export const NATS_MADE_AGAIN_MS = 50;
/** Between two tries to reach a NATS server: a lease survives several. */
export const NATS_RECONNECT_MS = 250;
export const NATS_RECONNECT_JITTER_MS = 100;
/** Between two marks of a watch, see control-plane/nats/bucket-watch.ts: a deaf watch is noticed soon, at the cost of one small write a second. */
export const NATS_MARK_INTERVAL_MS = 1_000;
/** A mark that was taken and is not heard within this: the watch is deaf. On a healthy server it takes milliseconds. */
export const NATS_DEAF_MS = 1_500;
/** Documents up to this size stay readable JSON in NATS; larger ones are compressed, since a message has 1 MiB at most. */
export const NATS_PLAIN_BYTES_MAX = 64 * 1024;
/** A leader that has not renewed for so long is followed by another. */
export const LEADER_LEASE_MS = 3_000;
/** A request above this travels beside the queue's message, whose size NATS limits. */
export const JOB_INLINE_BYTES_MAX = 128 * 1024;
/** How long a look for work waits for some; NATS takes no less than a second. */
export const JOB_TAKE_WAIT_MS = 1_000;
/** The queue tells a second message for the same job from the first for so long; afterwards the record does. */
export const JOB_DUPLICATES_MS = 600_000;
/** Records of jobs are kept at least so long after their last change. */
export const JOB_RECORD_KEPT_MS = 14 * 24 * 3_600_000;
/** Dead letters kept, the newest. */
export const DEAD_LETTERS_MAX = 1_000;
/** Longest life of an artifact that expires. */
export const ARTIFACT_KEPT_MS_MAX = 15 * 24 * 3_600_000;
/** Between two looks for artifacts that have expired: a result lives hours at least. */
export const ARTIFACT_SWEEP_INTERVAL_MS = 60_000;
/** Reads of an artifact that is being replaced. */
export const ARTIFACT_READS_MAX = 4;
/** A job whose coordinator is silent for so long is given to another. Renewed three times as often; an outage of NATS of some seconds costs nobody a job. */
export const JOB_LEASE_MS = 10_000;
/** Times that a job is taken up, releases of coordinators that stop in order included, before it is given up as one that ends its takers. */
export const JOB_DELIVERIES_MAX = 20;
/** Jobs that a coordinator works on at once: more would only share the same workers. */
export const JOB_RUNS_MAX = 1;
/** A checkpoint every so many steps, or as soon as this much work would be lost. */
export const JOB_CHECKPOINT_STEPS = 5;
export const JOB_CHECKPOINT_MS = 1_000;
/** Progress goes into the job's record at most so often. */
export const JOB_PROGRESS_MS = 500;
/** Results can be fetched for so long after the end of their job. */
export const JOB_RESULT_KEPT_MS = 24 * 3_600_000;
/** Images of a job: they are put together in memory. */
export const JOB_RESULT_BYTES_MAX = 512 * 1024 * 1024;
/** Images in the picture of a result; more tiles make no picture. */
export const JOB_GRID_IMAGES_MAX = 256;
/** A job whose steps cannot run now, since partitions are missing or the queue is full, tries again after this. */
export const JOB_AGAIN_MS = 1_000;
/** A watch looks for itself so often whether it has missed something. */
export const JOB_WATCH_LOOK_MS = 2_000;
/** Idempotency keys are copied to records: short. */
export const JOB_KEY_CHARS_MAX = 128;
/** A call that one coordinator could not answer is made on another after this. */
export const ANY_COORDINATOR_AGAIN_MS = 250;
/** A scrape of /metrics waits so long for the control plane's figures: well within the 10 s that Prometheus gives it. */
export const METRICS_CONTROL_PLANE_WAIT_MS = 1_000;
/** What a NATS server sends first comes at once, or something else listens there. */
export const NATS_GREETING_TIMEOUT_MS = 1_000;

/** Files of data sets that a worker fetches at once: a few fill a link that one connection does not, and the event loop still serves steps. */
export const DATA_FETCHES_DEFAULT = 4;
export const DATA_FETCHES_MAX = 64;
/** Size of the disk cache where no --data-cache-bytes is given: some data sets of the usual size, on a disk of any server. */
export const DATA_CACHE_BYTES_DEFAULT = 64 * 1024 * 1024 * 1024;
/** A manifest that is fetched: some 200 bytes for each of PARTITIONS_MAX partitions, read into memory. */
export const MANIFEST_BYTES_MAX = 64 * 1024 * 1024;
/** A saved covariance that is fetched: two tensors for the widest rows that have one (4,096 values), read into memory. */
export const COVARIANCE_BYTES_MAX = 160 * 1024 * 1024;
/** Tries in a row to fetch a file that bring less than FETCH_PROGRESS_BYTES: with the waits between them some ten seconds, after which the placement asks again. */
export const FETCH_ATTEMPTS_MAX = 6;
export const FETCH_PROGRESS_BYTES = 1024 * 1024;
export const FETCH_BACKOFF_MIN_MS = 250;
/** Also of what a server asks for by Retry-After. */
export const FETCH_BACKOFF_MAX_MS = 10_000;
/** Nothing came for so long: the connection is given up. Slow stores take seconds for their first byte. */
export const FETCH_STALL_MS = 30_000;
/** Files that came whole with a wrong checksum: the second one is no accident of the way. */
export const FETCH_MISMATCHES_MAX = 2;
/** Bytes between two notes of how far a fetch is: what a killed one loses. */
export const FETCH_NOTE_BYTES = 1024 * 1024;
/** Pieces of a fetch are put together to writes of this size. */
export const FETCH_WRITE_BYTES = 256 * 1024;
/** Between two looks whether the file that another process fetches is there. */
export const CACHE_LOOK_MS = 250;
/** A file that another process fetches and that has not grown for so long is fetched by whoever waits, too: longer than a stall and the wait after it. */
export const CACHE_WAIT_STALL_MS = 60_000;
/** The lock of a cache is held for milliseconds; a holder that lives and keeps it so long has been stopped. */
export const CACHE_LOCK_STALE_MS = 10_000;
/** A stopped process may still accept connections or not; nobody waits longer to find out. */
export const CACHE_PROBE_MS = 2_000;
/** Between two lines of the log while partitions are loaded. */
export const LOAD_PROGRESS_LOG_MS = 5_000;
/** Partitions that could not be fetched are placed again after this: a source that was away comes back without a word. */
export const PLACEMENT_FETCH_AGAIN_MS = 10_000;
/** Piece of a data set in the object store: half of what a message of NATS may have. */
export const OBJECT_CHUNK_BYTES = 512 * 1024;
/** Pieces in the object store that belong to no object and are older than this were left by a push that died. */
export const OBJECT_ABANDONED_MS = 3_600_000;
/** Between two tries of a start that waits: far below what a start takes, and light on a store that is not there. */
export const START_AGAIN_MS = 1_000;
/** Between two lines of the log while a start waits. */
export const START_WAIT_LOG_MS = 10_000;
/** A coordinator that was asked to leave serves on for so long: callers see NOT_SERVING, and routers of Kubernetes take it off their lists, within a few seconds. */
export const LEAVE_NOTICE_MS = 5_000;
/** Between two looks whether a process has left. */
export const LEAVE_LOOK_MS = 100;
/** Beyond the time that a process may take to leave, for the looks themselves. */
export const LEAVE_SLACK_MS = 5_000;

/** Spans wait for so long to be sent together. */
export const TRACES_DELAY_MS = 1_000;
/** Spans that wait; beyond that they are dropped: a collector that is away must not fill the memory. */
export const TRACES_QUEUE_MAX = 4_096;
export const TRACES_EXPORT_TIMEOUT_MS = 5_000;
/** For the last spans of a process that stops. */
export const TRACES_CLOSE_MS = 5_000;
