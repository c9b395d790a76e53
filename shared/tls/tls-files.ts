/**
 * The TLS files of one process: authority, certificate and key, read at the start and again whenever they change, so that a certificate, and the authority too, is
 * replaced without a restart. New connections are made and accepted with what was read last; those that are there stay as they are.
 *
 * Files are compared by content and not by their times: a volume of Kubernetes swaps a symbolic link, others write in place, and three small files cost nothing to read.
 * While a replacement is under way a new certificate may lie beside the old key; and someone may put the wrong file there. Whatever would be refused at a start is not
 * taken up: what was there before stays in use, and the log says why.
 */

import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import { defined } from '../defined.js';
import { argumentError, asGolddiffError } from '../errors.js';
import { TLS_FILES_CHECK_MS } from '../limits.js';
import type { Logger } from '../log.js';
import { certificatesIn, checkPair, notAfterUnixMs, readNamed, unreadable, type NamedFile } from './pem-files.js';

/** Paths of PEM files. */
export interface TlsPaths {
  /** certificates of the authority that signed the other side's; absent = those that this machine trusts */
  readonly ca?: string;
  /** certificate of this process, its intermediates after it; with `key` */
  readonly cert?: string;
  readonly key?: string;
}

/** What is in the files, all of it in PEM. */
export interface TlsMaterial {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  /** when the certificate ends, in milliseconds since 1970 */
  readonly notAfterUnixMs?: number;
}

export interface TlsFilesOptions {
  /** without it a replacement that cannot be used goes unsaid */
  readonly log?: Logger;
  readonly nowUnixMs?: () => number;
  readonly checkMs?: number;
}

type Listener = (material: TlsMaterial) => void;
type Pems = Pick<TlsMaterial, 'ca' | 'cert' | 'key'>;
const KINDS = ['ca', 'cert', 'key'] as const;

/** No older protocol has ciphers that are good enough. */
export const TLS_VERSION_MIN = 'TLSv1.2';

export class TlsFiles {
  readonly #listeners = new Set<Listener>();
  readonly #nowUnixMs: () => number;
  #material: TlsMaterial;
  #context: SecureContext | undefined;
  /** why what the last look found cannot be used */
  #refusal: string | undefined;
  /** the last refusal that the log has */
  #told: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #checking: Promise<void> | undefined;

  /** @throws ARGUMENT_INVALID for a certificate without its key, and for files that cannot be read, are none, do not belong together or have expired */
  constructor(
    readonly paths: TlsPaths,
    private readonly options: TlsFilesOptions = {},
  ) {
    if ((paths.cert === undefined) !== (paths.key === undefined))
      throw argumentError('--tls-cert and --tls-key', 'both or none', paths.key === undefined ? 'the certificate alone' : 'the key alone');
    this.#nowUnixMs = options.nowUnixMs ?? Date.now;
    const named = KINDS.flatMap((kind) => (paths[kind] === undefined ? [] : [[kind, readNamed(this.#named(kind))] as const]));
    this.#material = this.#usable(Object.fromEntries(named));
  }

  /** What new connections use. */
  get material(): TlsMaterial {
    return this.#material;
  }

  /** The same for a connection of ours; made when it is first asked for. */
  get context(): SecureContext {
    const { ca, cert, key } = this.#material;
    return (this.#context ??= createSecureContext({ ...defined({ ca, cert, key }), minVersion: TLS_VERSION_MIN }));
  }

  /** Looks at the files from now on, and tells of each replacement. Gives a function that ends it. */
  watch(listener: Listener): () => void {
    this.#listeners.add(listener);
    this.#timer ??= setInterval(() => void this.check(), this.options.checkMs ?? TLS_FILES_CHECK_MS).unref();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  /** Looks at the files now. Resolves when what they hold is in use, or is known to be of no use. */
  check(): Promise<void> {
    return (this.#checking ??= this.#check().finally(() => (this.#checking = undefined)));
  }

  async #check(): Promise<void> {
    let refusal: string | undefined;
    try {
      const pems = KINDS.map(async (kind) => (this.paths[kind] === undefined ? [] : [[kind, await this.#read(kind)] as const]));
      const found: Pems = Object.fromEntries((await Promise.all(pems)).flat());
      if (!KINDS.every((kind) => same(found[kind], this.#material[kind]))) this.#replace(this.#usable(found));
      else if ((this.#material.notAfterUnixMs ?? Infinity) <= this.#nowUnixMs()) refusal = `the certificate of ${this.paths.cert} has expired`;
    } catch (error) {
      refusal = asGolddiffError(error).message;
    }
    // Said once, and not at the first look: half of a replacement is no fault.
    if (refusal !== undefined && refusal === this.#refusal && refusal !== this.#told)
      this.options.log?.error({ reason: (this.#told = refusal) }, 'TLS files cannot be used as they are now; what was read before stays in use');
    this.#refusal = refusal;
    if (refusal === undefined) this.#told = undefined;
  }

  #replace(material: TlsMaterial): void {
    this.#material = material;
    this.#context = undefined;
    const { notAfterUnixMs: until } = material;
    const notAfter = until === undefined ? {} : { notAfter: new Date(until).toISOString() };
    this.options.log?.info({ ...this.paths, ...notAfter }, 'TLS files were replaced; new connections use them');
    for (const listener of this.#listeners) listener(material);
  }

  async #read(kind: (typeof KINDS)[number]): Promise<Buffer> {
    const named = this.#named(kind);
    try {
      return await readFile(named.file);
    } catch (error) {
      throw unreadable(named, error);
    }
  }

  #named(kind: (typeof KINDS)[number]): NamedFile {
    return { flag: `--tls-${kind}`, file: this.paths[kind] ?? '' };
  }

  #usable(pems: Pems): TlsMaterial {
    if (pems.ca !== undefined) {
      const named = this.#named('ca');
      const ends = certificatesIn(named, pems.ca).map(notAfterUnixMs);
      this.#mustHold(named, 'certificates of an authority that have not expired', Math.max(...ends));
    }
    if (pems.cert === undefined || pems.key === undefined) return pems;
    const named = this.#named('cert');
    const notAfter = notAfterUnixMs(checkPair(named, pems.cert, this.#named('key'), pems.key));
    this.#mustHold(named, 'a certificate that has not expired', notAfter);
    return { ...pems, notAfterUnixMs: notAfter };
  }

  #mustHold({ flag, file }: NamedFile, expected: string, untilUnixMs: number): void {
    if (untilUnixMs <= this.#nowUnixMs())
      throw argumentError(flag, expected, `${file}, which expired on ${new Date(untilUnixMs).toISOString().slice(0, 19)}Z`);
  }
}

function same(a: Buffer | undefined, b: Buffer | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && a.equals(b));
}
