/** Flags of TLS for every command that dials a coordinator or a worker; see dialled-tls.ts. */

import { Option, type Command } from 'commander';

import { environmentName, text } from '../../shared/config.js';
import { CLIENT_TLS_FLAGS, TLS_SWITCH } from '../dialled-tls.js';
import { clientFlag } from './client-flag.js';

/** Their variables are read where the command dials, and not by commander: with --data they count for nothing. */
export function addTlsFlags(command: Command): Command {
  const described = (name: string, description: string): string => `${description} (env: ${environmentName(name)})`;
  command.addOption(new Option(`--${TLS_SWITCH.name}`, described(TLS_SWITCH.name, TLS_SWITCH.description)));
  for (const { name, placeholder, description } of CLIENT_TLS_FLAGS) {
    command.addOption(clientFlag(`--${name} <${placeholder}>`, described(name, description), text));
  }
  return command;
}
