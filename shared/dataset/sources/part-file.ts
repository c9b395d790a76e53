/**
 * A file that is being fetched: a folder with `bytes`, and `note`, which says up to where the bytes may be trusted and how the source names the file. The note follows
 * the bytes, in one write of one size, so that whoever finds the folder after a kill -9 can go on from there. The checksum has the last word.
 */

import type { Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { diskError, invariant } from '../../errors.js';
import { FETCH_NOTE_BYTES, FETCH_WRITE_BYTES } from '../../limits.js';
import type { ResumePoint } from './data-source.js';

const BYTES_FILE = 'bytes';
const NOTE_FILE = 'note';
/** One write of one page is whole or not there. */
const NOTE_CHARS = 512;
const TOKEN_CHARS_MAX = 400;
const READ_BYTES = 1024 * 1024;

export class PartFile {
  #offset = 0;
  #token: string | undefined;
  /** of the bytes that are written: a failed write goes back to it */
  #writtenToken: string | undefined;
  #notedOffset = 0;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;

  private constructor(
    readonly dir: string,
    private readonly bytes: FileHandle,
    private readonly note: FileHandle,
  ) {}

  /** Goes on with what is in the folder, or begins. @throws LIMIT_EXCEEDED for a full disk, FILE_INVALID */
  static async open(dir: string): Promise<PartFile> {
    const handles: FileHandle[] = [];
    try {
      await mkdir(dir, { recursive: true });
      for (const name of [BYTES_FILE, NOTE_FILE]) handles.push(await open(path.join(dir, name), constants.O_RDWR | constants.O_CREAT, 0o600));
      const part = new PartFile(dir, handles[0]!, handles[1]!);
      await part.#readNote();
      return part;
    } catch (thrown) {
      await Promise.all(handles.map((handle) => handle.close()));
      throw diskError(dir, thrown);
    }
  }

  /** The finished bytes. */
  static fileIn(dir: string): string {
    return path.join(dir, BYTES_FILE);
  }

  /** Bytes taken so far. */
  get offset(): number {
    return this.#offset;
  }

  get resumePoint(): ResumePoint {
    return { offset: this.#offset, token: this.#token };
  }

  /** @param token of the source, for a resume point behind these bytes. @throws LIMIT_EXCEEDED for a full disk, FILE_INVALID */
  async append(bytes: Uint8Array, token: string | undefined): Promise<void> {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#offset += bytes.length;
    this.#token = token !== undefined && token.length <= TOKEN_CHARS_MAX ? token : undefined;
    if (this.#waitingBytes >= FETCH_WRITE_BYTES) await this.#write();
    if (this.#offset - this.#notedOffset >= FETCH_NOTE_BYTES) await this.save();
  }

  /** Writes what waits and notes how far it goes. @throws as append */
  async save(): Promise<void> {
    await this.#write();
    await this.#writeNote();
  }

  /** Hashes what is there. @throws what the signal was aborted with */
  async hashInto(hash: Hash, signal: AbortSignal): Promise<void> {
    await this.#write();
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    for (let at = 0; at < this.#offset;) {
      signal.throwIfAborted();
      const { bytesRead } = await this.bytes.read(buffer, 0, Math.min(buffer.length, this.#offset - at), at);
      invariant(bytesRead > 0, 'a part file has the bytes that its note names');
      hash.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  }

  /** Begins anew. @throws as append */
  async restart(): Promise<void> {
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#offset = 0;
    this.#token = this.#writtenToken = undefined;
    await this.#guarded(async () => this.bytes.truncate(0));
    await this.#writeNote();
  }

  /** Makes the bytes durable, and cuts off what an earlier writer left behind them. @throws as append */
  async finish(): Promise<void> {
    await this.#write();
    await this.#guarded(async () => {
      await this.bytes.truncate(this.#offset);
      await this.bytes.sync();
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.bytes.close(), this.note.close()]);
  }

  async #readNote(): Promise<void> {
    const buffer = Buffer.alloc(NOTE_CHARS);
    const { bytesRead } = await this.note.read(buffer, 0, NOTE_CHARS, 0);
    const noted = parsedNote(buffer.toString('utf8', 0, bytesRead));
    const { size } = await this.bytes.stat();
    if (noted === undefined || noted.offset > size) return;
    this.#offset = this.#notedOffset = noted.offset;
    this.#token = this.#writtenToken = noted.token;
  }

  async #writeNote(): Promise<void> {
    const text = JSON.stringify({ offset: this.#offset, ...(this.#token === undefined ? {} : { token: this.#token }) });
    await this.#guarded(() => writeAll(this.note, Buffer.from(text.padEnd(NOTE_CHARS)), 0));
    this.#notedOffset = this.#offset;
  }

  async #write(): Promise<void> {
    if (this.#waitingBytes === 0) return;
    const piece = this.#waiting.length === 1 ? this.#waiting[0]! : Buffer.concat(this.#waiting);
    const at = this.#offset - this.#waitingBytes;
    try {
      await this.#guarded(() => writeAll(this.bytes, piece, at));
      this.#writtenToken = this.#token;
    } catch (thrown) {
      this.#offset = at;
      this.#token = this.#writtenToken;
      throw thrown;
    } finally {
      this.#waiting = [];
      this.#waitingBytes = 0;
    }
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      throw diskError(this.dir, thrown);
    }
  }
}

function parsedNote(text: string): ResumePoint | undefined {
  try {
    const { offset, token } = JSON.parse(text) as Partial<Record<string, unknown>>;
    if (typeof offset !== 'number' || !Number.isSafeInteger(offset) || offset < 0) return undefined;
    return { offset, token: typeof token === 'string' ? token : undefined };
  } catch {
    return undefined;
  }
}

/** The system may take a part of a write, as when the disk fills up. */
async function writeAll(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}
