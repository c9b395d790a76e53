/**
 * Data sets in the NATS object store, where workers and coordinators fetch them (--data object-store:NAME): put there, listed, taken away. Layout and reader are in
 * shared/dataset/sources/object-store-source.ts. The manifest goes last: a data set is there as a whole or, to readers, not at all.
 */

import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream';
import type { ObjectInfo, ObjectStore } from '@nats-io/obj';
import type { NatsSession } from '../shared/control-plane/nats/session.js';
import { call } from '../shared/control-plane/nats/session.js';
import { openDataSet, type DataSet } from '../shared/dataset/data-set.js';
import { COVARIANCE_FILE, parseManifest } from '../shared/dataset/manifest-validation.js';
import type { Manifest } from '../shared/dataset/manifest.js';
import { waited } from '../shared/dataset/sources/fetch-file.js';
import { DATA_BUCKET, isPresent, manifestObject, objectName, objectSha256 } from '../shared/dataset/sources/object-store-source.js';
import type { RemoteFile } from '../shared/dataset/sources/data-source.js';
import { expectation, GolddiffError } from '../shared/errors.js';
import { DATA_FETCHES_DEFAULT, FETCH_ATTEMPTS_MAX, FETCH_BACKOFF_MIN_MS, OBJECT_ABANDONED_MS, OBJECT_CHUNK_BYTES } from '../shared/limits.js';
import { Places } from '../shared/places.js';

export interface PushOptions {
  /** name in the store; default: the data set's own */
  readonly name?: string;
  /** replace another content of that name */
  readonly force?: boolean;
  readonly signal: AbortSignal;
  /** bytes that are there, of all */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface PushResult {
  readonly name: string;
  readonly contentHash: string;
  readonly files: number;
  readonly bytes: number;
  /** of files that were there, from an earlier push */
  readonly bytesThere: number;
}

export interface StoredDataSet {
  readonly name: string;
  /** objects, and bytes in them */
  readonly files: number;
  readonly bytes: number;
  /** undefined while it is not whole: being pushed, or left by a push that ended early */
  readonly manifest: Manifest | undefined;
}

export class DatasetStore {
  private constructor(
    private readonly session: NatsSession,
    private readonly store: ObjectStore,
  ) {}

  /** @throws CONTROL_PLANE_LOST */
  static async open(session: NatsSession): Promise<DatasetStore> {
    return new DatasetStore(session, await session.objects(DATA_BUCKET));
  }

  /**
   * Puts a folder there. What an earlier push brought whole stays; each file is checked against the manifest on its way.
   * @throws ALREADY_EXISTS for a name with another content; FILE_INVALID; CONTROL_PLANE_LOST; the signal's reason
   */
  async push(dir: string, { name: wanted, force = false, signal, onProgress }: PushOptions): Promise<PushResult> {
    const dataSet = await openDataSet(dir);
    const { manifest } = dataSet;
    const name = wanted ?? manifest.name;
    const before = await call('look for a data set', () => this.store.info(manifestObject(name)));
    const old = isPresent(before) ? await this.#manifest(name) : undefined;
    if (old !== undefined && old.contentHash !== manifest.contentHash && !force)
      throw new GolddiffError('ALREADY_EXISTS', expectation(name, 'a name that is free in the object store, or --force', 'one of another content'));
    const files = await filesOf(dataSet);
    const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    let done = 0;
    let there = 0;
    const progressed = (bytes: number): void => onProgress?.((done += bytes), total);
    progressed(0);
    const places = new Places(DATA_FETCHES_DEFAULT);
    await this.#together(signal, files, (file, stop) =>
      places.run(async () => {
        if (await this.#has(name, file)) {
          there += file.bytes;
          progressed(file.bytes);
        } else await this.#put(name, file, stop, progressed);
      }),
    );
    await this.#putManifest(name, await readFile(path.join(dir, 'manifest.json')), before?.revision ?? 0);
    const kept = new Set([manifestObject(name), ...files.map((file) => objectName(name, file))]);
    for (const { name: object } of await this.#objects(name)) if (!kept.has(object)) await this.#delete(object);
    await this.sweep();
    return { name, contentHash: manifest.contentHash, files: files.length, bytes: total, bytesThere: there };
  }

  /** By name. @throws CONTROL_PLANE_LOST */
  async list(): Promise<StoredDataSet[]> {
    const groups = new Map<string, ObjectInfo[]>();
    for (const info of await this.#all()) {
      const name = info.name.slice(0, info.name.indexOf('/'));
      groups.set(name, [...(groups.get(name) ?? []), info]);
    }
    const names = [...groups.keys()].sort();
    return Promise.all(
      names.map(async (name) => {
        const objects = groups.get(name)!;
        const whole = objects.some((info) => info.name === manifestObject(name));
        return {
          name,
          files: objects.length,
          bytes: objects.reduce((sum, info) => sum + info.size, 0),
          manifest: whole ? await this.#manifest(name) : undefined,
        };
      }),
    );
  }

  /** The manifest first, so that nobody begins to fetch it any more. @throws NOT_FOUND, CONTROL_PLANE_LOST */
  async remove(name: string): Promise<void> {
    const objects = await this.#objects(name);
    if (objects.length === 0)
      throw new GolddiffError('NOT_FOUND', expectation(name, 'the name of a data set in the object store', 'one that is not there'));
    const first = manifestObject(name);
    for (const info of objects.sort((a, b) => Number(b.name === first) - Number(a.name === first))) await this.#delete(info.name);
    await this.sweep();
  }

  /** Takes away pieces of objects that were never finished, once nobody can be writing them any more. Gives the number of such objects. */
  async sweep(abandonedMs = OBJECT_ABANDONED_MS): Promise<number> {
    const { bucket } = await call('look at the data bucket', () => this.store.status());
    const stream = `OBJ_${bucket}`;
    const prefix = `$O.${bucket}.C.`;
    return call('take away pieces of objects that were never finished', async () => {
      const { state } = await this.session.manager.streams.info(stream, { subjects_filter: `${prefix}>` });
      const known = new Set((await this.#all()).map((info) => `${prefix}${info.nuid}`));
      let swept = 0;
      for (const subject of Object.keys(state.subjects ?? {})) {
        if (known.has(subject)) continue;
        const last = await this.session.manager.streams.getMessage(stream, { last_by_subj: subject });
        if (last === null || Date.now() - last.time.getTime() < abandonedMs) continue;
        await this.session.manager.streams.purge(stream, { filter: subject });
        swept++;
      }
      return swept;
    });
  }

  /** The first failure ends the others. */
  async #together(signal: AbortSignal, files: readonly LocalFile[], work: (file: LocalFile, stop: AbortSignal) => Promise<void>): Promise<void> {
    const failed = new AbortController();
    const stop = AbortSignal.any([signal, failed.signal]);
    const works = files.map((file) => work(file, stop));
    try {
      await Promise.all(works);
    } catch (thrown) {
      failed.abort(thrown);
      await Promise.allSettled(works);
      throw thrown;
    }
  }

  async #has(name: string, file: LocalFile): Promise<boolean> {
    const info = await call('look for an object', () => this.store.info(objectName(name, file)));
    // What has no checksum of the manifest is small and put again.
    return isPresent(info) && info.size === file.bytes && file.sha256 !== undefined && objectSha256(info) === file.sha256;
  }

  async #put(name: string, file: LocalFile, stop: AbortSignal, progressed: (bytes: number) => void): Promise<void> {
    for (let tries = 1; ; tries++) {
      stop.throwIfAborted();
      let sent = 0;
      const pieces = streamOf(file.path, stop, (bytes) => {
        sent += bytes;
        progressed(bytes);
      });
      try {
        const info = await call(`keep ${file.name}`, () =>
          this.store.put({ name: objectName(name, file), options: { max_chunk_size: OBJECT_CHUNK_BYTES } }, pieces),
        );
        if (file.sha256 === undefined || objectSha256(info) === file.sha256) return;
        await this.#delete(objectName(name, file));
        throw new GolddiffError('FILE_INVALID', expectation(file.path, `sha256 ${file.sha256} as the manifest says`, objectSha256(info)), {
          file: file.path,
        });
      } catch (thrown) {
        stop.throwIfAborted();
        if (!(thrown instanceof GolddiffError) || thrown.code !== 'CONTROL_PLANE_LOST' || tries >= FETCH_ATTEMPTS_MAX) throw thrown;
        progressed(-sent);
        await waited(FETCH_BACKOFF_MIN_MS * 2 ** tries, stop);
      }
    }
  }

  async #putManifest(name: string, bytes: Uint8Array, previousRevision: number): Promise<void> {
    await call('keep the manifest', async () => {
      const pieces = new ReadableStream<Uint8Array>({
        start: (controller) => {
          controller.enqueue(bytes);
          controller.close();
        },
      });
      try {
        await this.store.put({ name: manifestObject(name), options: { max_chunk_size: OBJECT_CHUNK_BYTES } }, pieces, { previousRevision });
      } catch (thrown) {
        const codes: readonly number[] = [JetStreamApiCodes.StreamWrongLastSequence, JetStreamApiCodes.StreamWrongLastSequenceUnknown];
        if (!(thrown instanceof JetStreamApiError) || !codes.includes(thrown.code)) throw thrown;
        throw new GolddiffError('ALREADY_EXISTS', `Somebody else pushed ${name} at the same time`, {}, { cause: thrown });
      }
    });
  }

  async #manifest(name: string): Promise<Manifest | undefined> {
    const bytes = await call('give a manifest', () => this.store.getBlob(manifestObject(name)));
    if (bytes === null) return undefined;
    try {
      return parseManifest(Buffer.from(bytes).toString('utf8'), manifestObject(name));
    } catch {
      // Not one that this version can read: as good as none.
      return undefined;
    }
  }

  async #objects(name: string): Promise<ObjectInfo[]> {
    return (await this.#all()).filter((info) => info.name.startsWith(`${name}/`));
  }

  async #all(): Promise<ObjectInfo[]> {
    return (await call('list objects', () => this.store.list())).filter(isPresent);
  }

  async #delete(object: string): Promise<void> {
    await call('delete an object', () => this.store.delete(object));
  }
}

interface LocalFile extends RemoteFile {
  readonly path: string;
  readonly bytes: number;
}

/** Partitions, statistics, and the covariance where there is one. */
async function filesOf({ dir, manifest }: DataSet): Promise<LocalFile[]> {
  const sized = async (name: string, sha256?: string): Promise<LocalFile> => {
    const file = path.join(dir, name);
    const { size } = await stat(file).catch((cause: NodeJS.ErrnoException) => {
      throw new GolddiffError('FILE_INVALID', expectation(file, 'a readable file', cause.code), { file }, { cause });
    });
    return { name, path: file, bytes: size, ...(sha256 === undefined ? {} : { sha256 }) };
  };
  const named = await Promise.all([...manifest.partitions, manifest.statistics].map(({ file, sha256 }) => sized(file, sha256)));
  const covariance = await sized(COVARIANCE_FILE).catch(() => undefined);
  return covariance === undefined ? named : [...named, covariance];
}

function streamOf(file: string, stop: AbortSignal, onBytes: (bytes: number) => void): ReadableStream<Uint8Array> {
  const pieces = createReadStream(file, { highWaterMark: OBJECT_CHUNK_BYTES })[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        stop.throwIfAborted();
        const { done, value } = (await pieces.next()) as IteratorResult<Buffer, undefined>;
        if (done) return controller.close();
        controller.enqueue(value);
        onBytes(value.length);
      },
      cancel: async () => void (await pieces.return?.()),
    },
    { highWaterMark: 0 },
  );
}
