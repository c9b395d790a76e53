/** A network that pods share: a bridge of this machine, and for each pod a namespace with a wire to it. */

import { execFileSync, spawnSync } from 'node:child_process';

export interface PodNetwork {
  /** Address and launcher of a new pod. */
  add(): { address: string; namespace: string; launcher: readonly [string, ...string[]] };
  dispose(): void;
}

/** Of this process: the kernel takes its time to forget the names of one that has gone. */
let networks = 0;

export function makePodNetwork(): PodNetwork {
  // Interfaces have names of 15 characters at most. 198.18.0.0/15 is kept for tests of networks.
  const id = `${process.pid.toString(36)}${networks++}`;
  const bridge = `gdbr${id}`;
  const subnet = `198.19.${128 + (process.pid % 128)}`;
  const made: string[] = [];
  const dispose = (): void => {
    for (const name of made.splice(0)) {
      spawnSync('ip', ['link', 'delete', name], { stdio: 'ignore' });
      spawnSync('ip', ['netns', 'delete', name], { stdio: 'ignore' });
    }
    spawnSync('ip', ['link', 'delete', bridge], { stdio: 'ignore' });
  };
  process.once('exit', dispose);
  ip('link', 'add', bridge, 'type', 'bridge');
  ip('addr', 'add', `${subnet}.1/24`, 'dev', bridge);
  ip('link', 'set', bridge, 'up');
  let count = 0;
  return {
    add: () => {
      const i = count++;
      const namespace = `gd${id}p${i}`;
      const address = `${subnet}.${10 + i}`;
      ip('netns', 'add', namespace);
      made.push(namespace);
      ip('link', 'add', namespace, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
      ip('link', 'set', namespace, 'master', bridge, 'up');
      ip('-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
      ip('-n', namespace, 'link', 'set', 'eth0', 'up');
      ip('-n', namespace, 'link', 'set', 'lo', 'up');
      return { address, namespace, launcher: ['ip', 'netns', 'exec', namespace] };
    },
    dispose,
  };
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
