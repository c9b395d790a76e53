/** Certificates for tests, made by openssl in a folder that goes with the process. */

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { temporaryFolder } from './data-sets.js';

/** Why tests that need the program skip; undefined where it is installed. */
export const opensslMissing: string | undefined =
  spawnSync('openssl', ['version'], { stdio: 'ignore' }).status === 0 ? undefined : 'openssl is not installed (Debian: apt-get install openssl)';

export interface KeyPair {
  /** PEM files */
  readonly certFile: string;
  readonly keyFile: string;
}

export interface CertificateSettings {
  /** as TLS has it: IP:127.0.0.1, DNS:localhost; default the first of these */
  readonly reachedAs?: string;
  /** it ends after so many, default 2; -1 = it ended yesterday */
  readonly days?: number;
  /** extended key usage: clientAuth, serverAuth; default: any */
  readonly purpose?: string;
}

/** The three files of a process, as Kubernetes mounts them: whoever reads them finds others behind the same paths once they are replaced. */
export class InstalledCertificates {
  readonly #folder = temporaryFolder();
  #versions = 0;
  readonly caFile = path.join(this.#folder, 'current', 'ca.pem');
  readonly certFile = path.join(this.#folder, 'current', 'tls.pem');
  readonly keyFile = path.join(this.#folder, 'current', 'tls.key');

  /** @param caFiles of the authorities that are trusted */
  constructor(caFiles: readonly string[], pair: KeyPair) {
    this.replace(caFiles, pair);
  }

  /** All at once: a link to a folder is swapped. */
  replace(caFiles: readonly string[], { certFile, keyFile }: KeyPair): void {
    const version = path.join(this.#folder, String(this.#versions++));
    mkdirSync(version);
    writeFileSync(path.join(version, 'ca.pem'), caFiles.map((file) => readFileSync(file, 'utf8')).join(''));
    copyFileSync(certFile, path.join(version, 'tls.pem'));
    copyFileSync(keyFile, path.join(version, 'tls.key'));
    symlinkSync(version, path.join(this.#folder, 'next'));
    renameSync(path.join(this.#folder, 'next'), path.join(this.#folder, 'current'));
  }
}

export class TestAuthority {
  readonly #folder = temporaryFolder();
  readonly #own: KeyPair;
  #signed = 0;

  constructor(name: string) {
    this.#own = this.#files('authority');
    this.#openssl('req', '-x509', ...NEW_KEY, '-keyout', this.#own.keyFile, '-out', this.#own.certFile, '-days', '2', '-subj', `/CN=${name}`);
  }

  /** certificate of the authority itself */
  get caFile(): string {
    return this.#own.certFile;
  }

  /** @param name of the host or the client */
  sign(name: string, { reachedAs = 'IP:127.0.0.1', days = 2, purpose }: CertificateSettings = {}): KeyPair {
    const files = this.#files(`signed-${this.#signed++}`);
    const request = path.join(this.#folder, 'request.pem');
    const extensions = path.join(this.#folder, 'extensions.txt');
    writeFileSync(extensions, `subjectAltName=${reachedAs}\n${purpose === undefined ? '' : `extendedKeyUsage=${purpose}\n`}`);
    this.#openssl('req', ...NEW_KEY, '-keyout', files.keyFile, '-out', request, '-subj', `/CN=${name}`);
    const authority = ['-CA', this.#own.certFile, '-CAkey', this.#own.keyFile, '-CAcreateserial'];
    this.#openssl('x509', '-req', '-in', request, ...authority, '-out', files.certFile, '-days', String(days), '-extfile', extensions);
    return files;
  }

  #files(name: string): KeyPair {
    return { certFile: path.join(this.#folder, `${name}.pem`), keyFile: path.join(this.#folder, `${name}.key`) };
  }

  #openssl(...args: string[]): void {
    const { status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`openssl ${args[0]} ended with ${status}: ${stderr}`);
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'] as const;
