/** An operator with one account and one user, as nsc would make them: the configuration of a server, and the credentials file of the user. */

import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { nkeys } from '@nats-io/nats-core';
import { temporaryFolder } from './data-sets.js';

type KeyPair = ReturnType<typeof nkeys.createUser>;

export interface NatsOperator {
  /** for nats-server -c: the operator, the account and its limits */
  readonly configFile: string;
  /** credentials of a new user of the account */
  credentialsFile(): string;
}

/** @param store folder of JetStream */
export function createNatsOperator(): NatsOperator {
  const folder = temporaryFolder();
  // JetStream wants a system account beside that of the users.
  const [operator, account, system] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createAccount()];
  const unlimited = { subs: -1, conn: -1, leaf: -1, imports: -1, exports: -1, data: -1, payload: -1, wildcards: true };
  const jetstream = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const operatorJwt = signed(operator, operator, 'operator', { system_account: system.getPublicKey() });
  const accountJwt = signed(operator, account, 'account', { limits: { ...unlimited, ...jetstream } });
  const systemJwt = signed(operator, system, 'account', { limits: unlimited });
  const preload = `${account.getPublicKey()}: ${accountJwt}, ${system.getPublicKey()}: ${systemJwt}`;
  const configFile = path.join(folder, 'operator.conf');
  writeFileSync(configFile, `operator: ${operatorJwt}\nresolver: MEMORY\nresolver_preload: { ${preload} }\n`);
  let users = 0;
  return {
    configFile,
    credentialsFile: () => {
      const user = nkeys.createUser();
      const jwt = signed(account, user, 'user', { pub: {}, sub: {}, subs: -1, data: -1, payload: -1 });
      const file = path.join(folder, `user-${users++}.creds`);
      const seed = new TextDecoder().decode(user.getSeed());
      writeFileSync(file, `${section('NATS USER JWT', jwt)}\n${section('USER NKEY SEED', seed)}`);
      return file;
    },
  };
}

function signed(issuer: KeyPair, subject: KeyPair, type: string, claims: object): string {
  const encoded = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
  const body = {
    jti: randomUUID(),
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name: type,
    nats: { ...claims, type, version: 2 },
  };
  const text = `${encoded({ typ: 'JWT', alg: 'ed25519-nkey' })}.${encoded(body)}`;
  return `${text}.${Buffer.from(issuer.sign(new TextEncoder().encode(text))).toString('base64url')}`;
}

function section(title: string, content: string): string {
  return `-----BEGIN ${title}-----\n${content}\n------END ${title}------\n`;
}
