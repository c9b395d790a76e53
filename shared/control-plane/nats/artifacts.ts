/**
 * Artifacts as objects. Those that expire lie in a store of their own, whose server drops everything after ARTIFACT_KEPT_MS_MAX, pieces of writes that were never
 * ended included; until then the date in the object counts, by the wall clocks of those who write and read, and a sweep removes what is past it.
 */

import type { ObjectInfo, ObjectStore } from '@nats-io/obj';
import { argumentError, asGolddiffError, GolddiffError } from '../../errors.js';
import { ARTIFACT_KEPT_MS_MAX, ARTIFACT_READS_MAX, NATS_REQUEST_TIMEOUT_MS } from '../../limits.js';
import type { Artifacts } from '../control-plane.js';
import { call, type NatsSession } from './session.js';

const EXPIRES = 'expires_unix_ms';

export class NatsArtifacts implements Artifacts {
  static async open(session: NatsSession): Promise<NatsArtifacts> {
    return new NatsArtifacts(await session.objects('artifacts'), await session.objects('passing_artifacts', ARTIFACT_KEPT_MS_MAX));
  }

  private constructor(
    private readonly lasting: ObjectStore,
    private readonly passing: ObjectStore,
  ) {}

  async put(name: string, bytes: Uint8Array, expiresAfterMs = Infinity): Promise<void> {
    const passes = expiresAfterMs !== Infinity;
    if (passes && !(expiresAfterMs <= ARTIFACT_KEPT_MS_MAX))
      throw argumentError('expiresAfterMs', `at most ${ARTIFACT_KEPT_MS_MAX}, or no expiry`, expiresAfterMs);
    const [store, other] = passes ? [this.passing, this.lasting] : [this.lasting, this.passing];
    const meta = { name, ...(passes ? { metadata: { [EXPIRES]: String(Date.now() + expiresAfterMs) } } : {}) };
    await call('keep an artifact', async () => {
      await store.putBlob(meta, bytes);
      if (present(await other.info(name))) await other.delete(name);
    });
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    return (await this.#getFrom(this.passing, name)) ?? (await this.#getFrom(this.lasting, name));
  }

  async delete(name: string): Promise<void> {
    await call('delete an artifact', async () => {
      for (const store of [this.passing, this.lasting]) if (present(await store.info(name))) await store.delete(name);
    });
  }

  /** Removes what has expired. Gives the number. */
  async sweep(): Promise<number> {
    const expired = (await call('list artifacts', () => this.passing.list())).filter((info) => present(info) && !alive(info));
    for (const { name } of expired) await call('delete an artifact', () => this.passing.delete(name));
    return expired.length;
  }

  /** One who replaces an object takes the old pieces away: a read that was under way stalls or fails, and finds the new ones next time. */
  #getFrom(store: ObjectStore, name: string): Promise<Uint8Array | undefined> {
    return call('give an artifact', async () => {
      for (let read = 1; ; read++) {
        const info = await store.info(name);
        if (!present(info) || !alive(info)) return undefined;
        try {
          const result = await store.get(name);
          if (result === null) return undefined;
          const bytes = await readAll(result.data);
          const error = await result.error;
          if (error instanceof Error) throw error;
          return bytes;
        } catch (thrown) {
          if (read >= ARTIFACT_READS_MAX) throw asGolddiffError(thrown);
        }
      }
    });
  }
}

/** The library waits without end for pieces that are no longer there. */
async function readAll(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const reader = stream.getReader();
  const pieces: Uint8Array[] = [];
  for (;;) {
    let timer: NodeJS.Timeout | undefined;
    const stalled = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new GolddiffError('CONTROL_PLANE_LOST', 'An artifact stopped coming')), NATS_REQUEST_TIMEOUT_MS);
    });
    try {
      const { done, value } = await Promise.race([reader.read(), stalled]);
      if (done) break;
      pieces.push(value);
    } catch (thrown) {
      void reader.cancel().catch(() => {});
      throw thrown;
    } finally {
      clearTimeout(timer);
    }
  }
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}

function present(info: ObjectInfo | null): info is ObjectInfo {
  return info !== null && !info.deleted;
}

function alive(info: ObjectInfo): boolean {
  const expires = info.metadata?.[EXPIRES];
  return expires === undefined || Number(expires) > Date.now();
}
