import type { KV } from '@nats-io/kv';
import { NATS_MARK_INTERVAL_MS } from '../../limits.js';
import { BucketWatch } from './bucket-watch.js';
import type { NatsSession } from './session.js';

/** The small things that everybody follows and that do not fade, in one bucket with one watch: placements, orders. Keys say by their first word what they are. */
export interface StateBucket {
  readonly bucket: KV;
  readonly watch: BucketWatch;
}

export async function openStateBucket(session: NatsSession): Promise<StateBucket> {
  const bucket = await session.bucket('state');
  return { bucket, watch: new BucketWatch(bucket, NATS_MARK_INTERVAL_MS) };
}
