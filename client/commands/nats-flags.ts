import type { Option } from 'commander';

import { text } from '../../shared/config.js';
import { NATS_SECURITY_FLAGS } from '../../shared/control-plane/nats/security.js';
import { clientFlag } from './client-flag.js';

/** TLS and credentials of --nats URL for commands of the client. Secrets may come from the environment here too: they change who one is, and not what is computed. */
export function natsSecurityOptions(): Option[] {
  return NATS_SECURITY_FLAGS.map(({ name, placeholder, description }) => clientFlag(`--${name} <${placeholder}>`, description, text));
}
