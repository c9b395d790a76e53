/** Credentials of a gRPC server whose certificate and authority are replaced while it runs. With an authority, clients must show a certificate of it (mTLS). */

import type { SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import { defined } from '../defined.js';
import { invariant } from '../errors.js';
import { TLS_VERSION_MIN, type TlsFiles, type TlsMaterial } from '../tls/tls-files.js';

/** grpc-js has these for files too, but drops what it has and with it every new connection while a file is being replaced, and takes up a key without its certificate. */
export class TlsServerCredentials extends ServerCredentials {
  readonly #unwatch: () => void;

  /** @param files with a certificate */
  constructor(files: TlsFiles) {
    invariant(files.material.cert !== undefined, 'a server has a certificate');
    const mutual = files.material.ca !== undefined;
    super({ requestCert: mutual, rejectUnauthorized: mutual }, contextOf(files.material));
    this.#unwatch = files.watch((material) => this.updateSecureContextOptions(contextOf(material)));
  }

  /** Looks at the files no longer. */
  close(): void {
    this.#unwatch();
  }

  override _equals(other: ServerCredentials): boolean {
    return other === this;
  }
}

function contextOf({ ca, cert, key }: TlsMaterial): SecureContextOptions {
  return { minVersion: TLS_VERSION_MIN, ...defined({ ca, cert, key }) };
}
