/** Hosts on this machine: network namespaces, each on a wire of its own to the machine's, and walls between them by nftables. */

import { execFileSync, spawnSync } from 'node:child_process';

/** Why they cannot be had here; undefined where they can. */
export const namespacesMissing: string | undefined = findMissing();

export interface Host {
  /** its address on the wire */
  readonly address: string;
  /** the machine's address on that wire */
  readonly gateway: string;
  /** starts a program there; it becomes the program */
  readonly launcher: readonly [string, ...string[]];
  /** Drops every packet in and out, or those of one TCP port of the host. Nobody is told. */
  readonly wall: (port?: number) => void;
  /** Ends what `wall` did. */
  readonly heal: () => void;
}

export interface Hosts {
  readonly hosts: readonly Host[];
  readonly dispose: () => void;
}

/** @param count 1 .. 200 */
export function makeHosts(count: number): Hosts {
  const names: string[] = [];
  // A process that is ended by its runner leaves no namespace behind.
  const dispose = (): void => {
    for (const name of names.splice(0)) spawnSync('ip', ['netns', 'delete', name], { stdio: 'ignore' });
  };
  process.once('exit', dispose);
  try {
    return { hosts: Array.from({ length: count }, (_, i) => makeHost(i, names)), dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

function makeHost(i: number, names: string[]): Host {
  // Interfaces have names of 15 characters at most. 198.18.0.0/15 is kept for tests of networks.
  const name = `gd${process.pid.toString(36)}h${i}`;
  const net = (process.pid * 8 + i) % 16_384;
  const at = (last: number): string => `198.${18 + (net >> 13)}.${(net >> 5) & 255}.${((net & 31) << 3) + last}`;
  const [gateway, address] = [at(1), at(2)];
  ip('netns', 'add', name);
  names.push(name);
  ip('link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
  ip('addr', 'add', `${gateway}/30`, 'dev', name);
  ip('link', 'set', name, 'up');
  ip('-n', name, 'addr', 'add', `${address}/30`, 'dev', 'eth0');
  ip('-n', name, 'link', 'set', 'eth0', 'up');
  ip('-n', name, 'link', 'set', 'lo', 'up');
  ip('-n', name, 'route', 'add', 'default', 'via', gateway);
  const launcher = ['ip', 'netns', 'exec', name] as const;
  const nft = (rules: string): void => void execFileSync('ip', ['netns', 'exec', name, 'nft', rules], { stdio: ['ignore', 'ignore', 'pipe'] });
  return {
    address,
    gateway,
    launcher,
    wall: (port) => {
      const way = (hook: string, match: string): string =>
        `add chain inet wall ${hook} { type filter hook ${hook} priority 0; policy accept; }; add rule inet wall ${hook} ${match} drop;`;
      const [arriving, leaving] = port === undefined ? ['iifname "eth0"', 'oifname "eth0"'] : [`tcp dport ${port}`, `tcp sport ${port}`];
      nft(`add table inet wall; ${way('input', arriving)} ${way('output', leaving)}`);
    },
    heal: () => nft('delete table inet wall'),
  };
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

function findMissing(): string | undefined {
  const works = (command: string, args: readonly string[]): boolean => spawnSync(command, args, { stdio: 'ignore' }).status === 0;
  if (process.platform !== 'linux') return 'network namespaces are of Linux';
  if (!works('ip', ['-V'])) return 'ip is not installed (Debian: apt-get install iproute2)';
  if (!works('nft', ['--version'])) return 'nft is not installed (Debian: apt-get install nftables)';
  const name = `gd${process.pid.toString(36)}try`;
  if (!works('ip', ['netns', 'add', name]))
    return 'network namespaces cannot be made (needs root, or a container with CAP_SYS_ADMIN and CAP_NET_ADMIN)';
  try {
    const wire = works('ip', ['link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name]);
    if (!wire) return 'no wire into a network namespace can be made (needs CAP_NET_ADMIN and the module veth)';
    if (!works('ip', ['netns', 'exec', name, 'nft', 'add table inet wall'])) return 'nft cannot change its tables here (needs the module nf_tables)';
    return undefined;
  } finally {
    spawnSync('ip', ['netns', 'delete', name], { stdio: 'ignore' });
  }
}
