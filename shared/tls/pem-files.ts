/** Certificates and keys in PEM files, read and checked before anything depends on them: what cannot be meant is refused with a sentence that names its flag. */

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { argumentError } from '../errors.js';

/** One file, and the flag that named it, such as `--tls-cert`. */
export interface NamedFile {
  readonly flag: string;
  readonly file: string;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** @throws ARGUMENT_INVALID for a file that cannot be read */
export function readNamed({ flag, file }: NamedFile): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw unreadable({ flag, file }, error);
  }
}

export function unreadable({ flag, file }: NamedFile, error: unknown): Error {
  return argumentError(flag, `a file that can be read (${(error as NodeJS.ErrnoException).code ?? 'an error'})`, file);
}

/** Every certificate of a file, in its order: a leaf comes before those that signed it. @throws ARGUMENT_INVALID where there is none */
export function certificatesIn(named: NamedFile, pem: Buffer): X509Certificate[] {
  const blocks = pem.toString('latin1').match(CERTIFICATE) ?? [];
  const expected = 'a file with a certificate in PEM';
  if (blocks.length === 0) throw argumentError(named.flag, expected, named.file);
  return blocks.map((block) => parsed(named, expected, () => new X509Certificate(block)));
}

/** The certificate that the key belongs to. @throws ARGUMENT_INVALID where they do not belong together, or one of them is none */
export function checkPair(cert: NamedFile, certPem: Buffer, key: NamedFile, keyPem: Buffer): X509Certificate {
  const [leaf] = certificatesIn(cert, certPem) as [X509Certificate, ...X509Certificate[]];
  const own = parsed(key, 'a file with a private key in PEM, without a passphrase,', () => createPrivateKey(keyPem));
  if (!leaf.checkPrivateKey(own)) throw argumentError(key.flag, `the private key of ${cert.flag}`, `${key.file}, which is of another`);
  return leaf;
}

/** The moment from which a certificate does not hold any more. */
export function notAfterUnixMs(certificate: X509Certificate): number {
  return Date.parse(certificate.validTo);
}

function parsed<T>({ flag, file }: NamedFile, expected: string, parse: () => T): T {
  try {
    return parse();
  } catch {
    throw argumentError(flag, expected, file);
  }
}
