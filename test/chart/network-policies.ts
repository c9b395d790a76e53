/**
 * NetworkPolicies, enforced: what the rendered objects allow becomes the packet filter of each pod's network (nftables), everything else is dropped. So a run shows that the edges that are
 * allowed are enough, and a call that is not allowed gets no answer. Peers are played as far as the chart uses them: pods of this namespace by label, and others (other namespaces, blocks of
 * addresses), which no pod here belongs to.
 */

import { execFileSync } from 'node:child_process';
import type { KubeObject, Labels, PolicyRule, Selector } from './objects.js';

export interface PodAddress {
  /** name of its network namespace */
  readonly namespace: string;
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
}

const matches = (selector: Selector | undefined, labels: Labels): boolean =>
  Object.entries(selector?.matchLabels ?? {}).every(([label, value]) => labels[label] === value);

/** Allowed pairs of one direction: addresses of peers and ports. */
function allowed(
  rules: readonly PolicyRule[],
  side: 'from' | 'to',
  pods: readonly PodAddress[],
): { address: string; protocol: string; port: number }[] {
  return rules.flatMap((rule) => {
    const peers = rule[side];
    const addresses = pods.filter(
      ({ labels }) =>
        peers === undefined ||
        peers.some((peer) => peer.podSelector !== undefined && peer.namespaceSelector === undefined && matches(peer.podSelector, labels)),
    );
    return addresses.flatMap(({ address }) =>
      (rule.ports ?? []).map(({ port, protocol = 'TCP' }) => ({ address, protocol: protocol.toLowerCase(), port })),
    );
  });
}

export function enforcePolicies(policies: readonly KubeObject[], pods: readonly PodAddress[]): void {
  for (const pod of pods) {
    const own = policies.filter((policy) => matches(policy.spec.podSelector, pod.labels));
    const filter = (type: 'Ingress' | 'Egress', hook: string, side: 'from' | 'to', match: string): string[] => {
      const of = own.filter((policy) => policy.spec.policyTypes?.includes(type));
      if (of.length === 0) return [];
      const pairs = of.flatMap((policy) => allowed(policy.spec[side === 'from' ? 'ingress' : 'egress'] ?? [], side, pods));
      return [
        `add chain inet policies ${hook} { type filter hook ${hook} priority 0; policy drop; }`,
        `add rule inet policies ${hook} ct state established,related accept`,
        `add rule inet policies ${hook} ${hook === 'input' ? 'iif' : 'oif'} lo accept`,
        // The machine itself, as whose kubelet the test asks.
        ...(hook === 'input' ? [`add rule inet policies input ip saddr ${gatewayOf(pod.address)} accept`] : []),
        ...pairs.map(({ address, protocol, port }) => `add rule inet policies ${hook} ip ${match} ${address} ${protocol} dport ${port} accept`),
      ];
    };
    const rules = [
      'add table inet policies',
      'delete table inet policies',
      'add table inet policies',
      ...filter('Ingress', 'input', 'from', 'saddr'),
      ...filter('Egress', 'output', 'to', 'daddr'),
    ];
    // One transaction: no packet passes between the old and the new.
    execFileSync('ip', ['netns', 'exec', pod.namespace, 'nft', '-f', '-'], { input: `${rules.join('\n')}\n`, stdio: ['pipe', 'ignore', 'pipe'] });
  }
}

function gatewayOf(address: string): string {
  return address.replace(/\d+$/, '1');
}
