/**
 * Data sets in the NATS object store, one bucket for a cluster name: NAME/manifest.json, and each file of it under its checksum (NAME/SHA256), so that a data set that
 * is pushed anew changes with its manifest and at no other moment. NAME/FILE are things derived from it.
 *
 * An object's pieces are messages in order. They are read one after the other by their sequence number and not by a consumer: a fetch goes on behind any piece, from any
 * server of the cluster, and a reader that is slow or dies leaves nothing on the server.
 */

import type { ObjectInfo, ObjectStore } from '@nats-io/obj';
import { asGolddiffError } from '../../errors.js';
import { OBJECT_CHUNK_BYTES } from '../../limits.js';
import type { NatsSession } from '../../control-plane/nats/session.js';
import { MANIFEST_FILE } from '../manifest-validation.js';
import { OBJECT_STORE_PREFIX } from './data-location.js';
import { FetchFailure, type DataSource, type FileChunk, type OpenedFile, type RemoteFile, type ResumePoint } from './data-source.js';

export const DATA_BUCKET = 'data';

/** Where a file of a data set lies. */
export function objectName(dataSet: string, file: RemoteFile): string {
  return `${dataSet}/${file.sha256 ?? file.name}`;
}

export function manifestObject(dataSet: string): string {
  return `${dataSet}/${MANIFEST_FILE}`;
}

/** The object's checksum as the library keeps it: "SHA-256=" and base64url. */
export function objectSha256(info: ObjectInfo): string {
  return Buffer.from(info.digest.replace(/^SHA-256=/, ''), 'base64url').toString('hex');
}

/** What is there and was not deleted. */
export function isPresent(info: ObjectInfo | null): info is ObjectInfo {
  return info !== null && !info.deleted;
}

export class ObjectStoreSource implements DataSource {
  readonly kind = 'object_store';
  readonly shown: string;

  private constructor(
    private readonly session: NatsSession,
    private readonly store: ObjectStore,
    private readonly name: string,
  ) {
    this.shown = `${OBJECT_STORE_PREFIX}${name}`;
  }

  /** @throws CONTROL_PLANE_LOST */
  static async open(session: NatsSession, name: string): Promise<ObjectStoreSource> {
    return new ObjectStoreSource(session, await session.objects(DATA_BUCKET), name);
  }

  shownFile(file: RemoteFile): string {
    return `${OBJECT_STORE_PREFIX}${objectName(this.name, file)}`;
  }

  async open(file: RemoteFile, from: ResumePoint | undefined, signal: AbortSignal): Promise<OpenedFile> {
    const info = await this.#ask(signal, () => this.store.info(objectName(this.name, file)));
    if (!isPresent(info)) throw new FetchFailure('missing', 'the object store has no such object', false);
    // The same object, and the message that its last piece came in.
    const [nuid, sequence] = from?.token?.split(':') ?? [];
    const continues = nuid === info.nuid && sequence !== undefined;
    const offset = continues ? from!.offset : 0;
    return { offset, chunks: this.#chunks(info, offset, continues ? Number(sequence) + 1 : 1, signal) };
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    await this.store.putBlob({ name: objectName(this.name, { name }), options: { max_chunk_size: OBJECT_CHUNK_BYTES } }, bytes);
  }

  async *#chunks(info: ObjectInfo, offset: number, sequence: number, signal: AbortSignal): AsyncGenerator<FileChunk> {
    const stream = `OBJ_${info.bucket}`;
    const subject = `$O.${info.bucket}.C.${info.nuid}`;
    for (let at = offset, next = sequence; at < info.size;) {
      const from = next;
      const message = await this.#ask(signal, () => this.session.manager.direct.getMessage(stream, { seq: from, next_by_subj: subject }));
      if (message === null) throw new FetchFailure('connection', `the object ended after ${at} of ${info.size} bytes`, true);
      at += message.data.length;
      next = message.seq + 1;
      yield { bytes: message.data, token: `${info.nuid}:${message.seq}` };
    }
  }

  /** One exchange; what goes wrong may go well later. */
  async #ask<T>(signal: AbortSignal, exchange: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    try {
      return await exchange();
    } catch (thrown) {
      throw new FetchFailure('connection', `NATS did not answer: ${asGolddiffError(thrown).message}`, true, undefined, { cause: thrown });
    } finally {
      signal.throwIfAborted();
    }
  }
}
