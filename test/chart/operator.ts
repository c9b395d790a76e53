/** The user's shell: runs the commands of README.md and NOTES.txt one by one, with docker, helm and kubectl played by a PlayedCluster, and golddiff as it is. */

import { spawn } from 'node:child_process';
import { createServer, connect, type Server } from 'node:net';
import path from 'node:path';
import { packageRoot } from '../../shared/package-root.js';
import { imageConfig, type Dockerfile } from './dockerfile.js';
import { renderedNotes } from './notes.js';
import type { PlayedCluster } from './played-cluster.js';
import type { PlayedImage } from './pod.js';
import { template } from './render.js';

const COMMAND_TIMEOUT_MS = 240_000;

export interface OperatorSettings {
  readonly cluster: PlayedCluster;
  readonly dockerfile: Dockerfile;
  /** folder of every image, as the build stage makes it */
  readonly built: string;
  /** what the cluster can pull */
  readonly images: Map<string, PlayedImage>;
  /** where commands run; files of the user are here */
  readonly folder: string;
}

export class Operator {
  readonly #local = new Map<string, PlayedImage>();
  readonly #forwards: Server[] = [];
  /** of port-forward: what the command says is taken already on a machine where other things run */
  readonly #ports = new Map<string, string>();
  notes = '';

  constructor(private readonly settings: OperatorSettings) {}

  /** Gives what it prints. Rejects where it fails, and for a command that nobody could have run here. */
  async run(line: string): Promise<string> {
    const words = line.split(/\s+/);
    const flag = (name: string): string => words[words.indexOf(name) + 1] ?? '';
    const { cluster } = this.settings;
    if (line.startsWith('docker build ')) {
      const target = flag('--target');
      this.#local.set(flag('--tag'), { config: imageConfig(this.settings.dockerfile, target), root: path.join(this.settings.built, target) });
      return '';
    }
    if (words[0] === 'docker' && words[1] === 'push') {
      const image = this.#local.get(words[2]!);
      if (image === undefined) throw new Error(`An image does not exist locally with the tag: ${words[2]}`);
      this.settings.images.set(words[2]!, image);
      return '';
    }
    if (words[0] === 'helm' && words[1] === 'install') {
      const values = path.join(this.settings.folder, flag('-f'));
      cluster.install(await template(values));
      return (this.notes = await renderedNotes(values, flag('--namespace')));
    }
    if (words[0] === 'helm' && words[1] === 'test') return cluster.test();
    if (words[0] === 'kubectl') {
      if (flag('--namespace') !== 'science') throw new Error(`no resources in ${flag('--namespace')}`);
      const verb = words[3];
      if (verb === 'wait') return cluster.complete(words.at(-1)!.replace(/^job\//, ''));
      if (verb === 'rollout') {
        const [kind = '', name = ''] = words[5]!.split('/');
        await cluster.rollout(kind === 'statefulset' ? 'StatefulSet' : 'Deployment', name);
        return `${words[5]} successfully rolled out`;
      }
      if (verb === 'port-forward') return this.#forward(words[4]!.replace(/^service\//, ''), words[5]!);
    }
    if (words[0] === 'npx' && words[1] === 'golddiff') return this.#golddiff(words.slice(2).map((word) => this.#ports.get(word) ?? word));
    throw new Error(`command not found: ${line}`);
  }

  dispose(): void {
    for (const server of this.#forwards) server.close();
  }

  async #forward(service: string, ports: string): Promise<string> {
    const [local = '', remote = ''] = ports.split(':');
    const behind = this.settings.cluster.behind(service, Number(remote));
    const server = createServer((socket) => {
      const upstream = connect(behind.port, behind.address);
      socket.pipe(upstream).pipe(socket);
      socket.on('error', () => upstream.destroy());
      upstream.on('error', () => socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    server.unref();
    this.#forwards.push(server);
    const { port } = server.address() as { port: number };
    this.#ports.set(`localhost:${local}`, `localhost:${port}`);
    return `Forwarding from 127.0.0.1:${port} -> ${behind.port}`;
  }

  #golddiff(args: readonly string[]): Promise<string> {
    const program = path.join(packageRoot, 'dist/client/main.js');
    const child = spawn(process.execPath, [program, ...args], {
      cwd: this.settings.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: COMMAND_TIMEOUT_MS,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    return new Promise((resolve, reject) =>
      child.once('close', (code) => (code === 0 ? resolve(output) : reject(new Error(`golddiff ${args.join(' ')} ended with ${code}: ${output}`)))),
    );
  }
}
