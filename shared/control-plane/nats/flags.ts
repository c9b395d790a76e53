/** Flags of every process that takes part in a cluster over NATS. */

import type { Option } from 'commander';
import { flag, oneOf, type Parser } from '../../config.js';
import { argumentError } from '../../errors.js';
import type { Logger } from '../../log.js';
import { createNatsControlPlane, NATS_NAMESPACE_DEFAULT, type NatsControlPlane } from './control-plane.js';
import { natsSecurityFlags, type NatsSecurityFlags } from './security.js';
import { natsServers } from './server-address.js';

export interface NatsFlags extends NatsSecurityFlags {
  /** absent = no NATS */
  readonly nats?: readonly string[];
  readonly clusterName: string;
  readonly natsReplicas: number;
}

/** Names of streams are made of it. */
export const clusterName: Parser<string> = (text, name) => {
  if (!/^[A-Za-z0-9-]{1,64}$/.test(text)) throw argumentError(name, '1 to 64 letters, digits and dashes', text);
  return text;
};

export const NATS_REPLICAS = ['1', '3', '5'] as const;

export function natsFlags(): Option[] {
  return [
    flag({
      name: 'nats',
      placeholder: 'URL,URL',
      description: 'NATS servers (JetStream) that keep membership, placement and jobs',
      parser: natsServers,
    }),
    flag({
      name: 'cluster-name',
      placeholder: 'NAME',
      description: 'with --nats: clusters of different names share servers without meeting',
      parser: clusterName,
      fallback: NATS_NAMESPACE_DEFAULT,
    }),
    flag({
      name: 'nats-replicas',
      placeholder: 'N',
      description: `with --nats: servers that keep a copy, one of ${NATS_REPLICAS.join(', ')}; counts where nothing is kept yet`,
      parser: (text, name) => Number(oneOf(NATS_REPLICAS)(text, name)),
      fallback: '1',
    }),
    ...natsSecurityFlags(),
  ];
}

/** At a start, under waitAtStart. @param observes see NatsControlPlaneSettings. @throws ARGUMENT_INVALID, CONTROL_PLANE_LOST, CONTROL_PLANE_REFUSED */
export function openControlPlane(flags: NatsFlags & { readonly nats: readonly string[] }, log: Logger, observes: boolean): Promise<NatsControlPlane> {
  const settings = { servers: flags.nats, namespace: flags.clusterName, replicas: flags.natsReplicas, security: flags, log, observes };
  return createNatsControlPlane(settings);
}
