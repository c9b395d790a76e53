/** One pod, played: every container in a sandbox of its own file system, user and process table, in the pod's network; environment, volumes, probes and hooks as rendered. */

import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { connect } from '../../client/golddiff-client.js';
import { packageRoot } from '../../shared/package-root.js';
import type { ImageConfig } from './dockerfile.js';
import { PROBES, type Container, type PodSpec, type ProbeKind } from './objects.js';

const sandbox = path.join(packageRoot, 'test/chart/sandbox.sh');
const UID = 10001;
const LOG_LINES_KEPT = 40;

export interface PlayedImage {
  readonly config: ImageConfig;
  /** folder that is /opt/golddiff; undefined for an image of programs of this machine */
  readonly root?: string;
}

export interface PodSettings {
  readonly name: string;
  readonly spec: PodSpec;
  readonly labels: Readonly<Record<string, string>>;
  readonly address: string;
  /** starts a program in the pod's network */
  readonly launcher: readonly [string, ...string[]];
  readonly imageOf: (reference: string) => PlayedImage;
  /** a new folder for this pod */
  readonly folder: string;
  /** name -> files */
  readonly secrets: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly configMaps: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** folder of a claim */
  readonly claimFolder: (name: string) => string;
  readonly hostsFile: string;
}

export class Pod {
  ready = false;
  readonly #containers = new Map<string, RunningContainer>();
  /** PID 1 of containers that share their process table, and what started it. */
  #shared: { readonly holder: ChildProcess; readonly pid: number } | undefined;

  constructor(readonly settings: PodSettings) {}

  get name(): string {
    return this.settings.name;
  }

  /** Name of its first container. */
  get first(): string {
    return this.settings.spec.containers[0]!.name;
  }

  /** Runs the init containers to their end, then starts the others. */
  async start(): Promise<void> {
    if (this.settings.spec.shareProcessNamespace) await this.#holdProcesses();
    for (const container of this.settings.spec.initContainers ?? []) {
      const status = await this.#run(container).exited;
      if (status !== 0) throw new Error(`${this.name}: ${container.name} ended with status ${status}: ${this.log(container.name)}`);
    }
    for (const container of this.settings.spec.containers) this.#run(container);
  }

  /** A pod of a Job, with restartPolicy OnFailure: each container again until it ends with status 0, so many times. Gives the log of the last one. */
  async runToEnd(tries: number): Promise<string> {
    const containers = [...(this.settings.spec.initContainers ?? []), ...this.settings.spec.containers];
    for (const container of containers)
      for (let left = tries; ; left--) {
        const status = await this.#run(container).exited;
        if (status === 0) break;
        if (left <= 0) throw new Error(`${this.name}: ${container.name} failed with status ${status}: ${this.log(container.name)}`);
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
    return this.log(containers.at(-1)!.name);
  }

  /** As kubelet would: startup probe, then readiness, each until it passes. Rejects where a container ends, or the time is over. */
  async untilReady(withinMs: number): Promise<void> {
    const endMs = performance.now() + withinMs;
    for (const probe of PROBES.slice(0, 2))
      for (const container of this.settings.spec.containers)
        for (;;) {
          const running = this.#containers.get(container.name)!;
          if (running.status !== undefined)
            throw new Error(`${this.name}: ${container.name} ended with ${running.status}: ${this.log(container.name)}`);
          const failure = container[probe] === undefined ? undefined : await this.probe(probe, container.name);
          if (failure === undefined) break;
          if (performance.now() > endMs) throw new Error(`${this.name}: ${probe} does not pass: ${failure}: ${this.log(container.name)}`);
          // A probe that runs a program costs a second of a core or so.
          await new Promise((resolve) => setTimeout(resolve, container[probe]?.exec === undefined ? 150 : 1_500));
        }
    this.ready = true;
  }

  /** One look by a probe as it is rendered: undefined = it passes, else why not. */
  async probe(kind: ProbeKind, containerName = this.first): Promise<string | undefined> {
    const container = this.settings.spec.containers.find((each) => each.name === containerName)!;
    const { grpc, exec, httpGet, timeoutSeconds = 1 } = container[kind]!;
    if (grpc !== undefined) return grpcHealth(`${this.settings.address}:${grpc.port}`, grpc.service, timeoutSeconds * 1000);
    if (exec !== undefined) {
      const { status, output } = await this.exec(exec.command, containerName);
      return status === 0 ? undefined : output;
    }
    if (httpGet === undefined) throw new Error(`${this.name}: a ${kind} of a kind that is not played`);
    const port = container.ports?.find((each) => each.name === httpGet.port)?.containerPort ?? httpGet.port;
    try {
      const answer = await fetch(`http://${this.settings.address}:${port}${httpGet.path}`, { signal: AbortSignal.timeout(timeoutSeconds * 1000) });
      return answer.ok ? undefined : `${answer.status} ${await answer.text()}`;
    } catch (error) {
      return String(error);
    }
  }

  /** Runs a command in a container, as hooks and exec probes do. */
  async exec(command: readonly string[], containerName = this.first): Promise<{ status: number; output: string }> {
    const running = this.#containers.get(containerName)!;
    const enter = ['--target', String(running.pid), '--mount', '--pid', '--net', '--root', '--wd'];
    const user = ['setpriv', '--reuid', String(UID), '--regid', String(UID), '--clear-groups', '--no-new-privs', '--'];
    try {
      const { stdout, stderr } = await promisify(execFile)('nsenter', [...enter, '--', ...user, 'env', '-i', ...running.environment, ...command], {
        timeout: 120_000,
      });
      return { status: 0, output: `${stdout}${stderr}` };
    } catch (error) {
      const { code, stdout, stderr } = error as { code?: number; stdout?: string; stderr?: string };
      return { status: typeof code === 'number' ? code : 1, output: `${stdout ?? ''}${stderr ?? ''}` };
    }
  }

  /** As kubelet stops a pod: the hook, then SIGTERM, then a wait within the grace period. Gives the status of each container and what the hooks said. */
  async stop(): Promise<{ statuses: (number | undefined)[]; hooks: string[] }> {
    const hooks: string[] = [];
    for (const { name, lifecycle } of this.settings.spec.containers)
      if (lifecycle?.preStop?.exec !== undefined && this.#containers.get(name)?.status === undefined)
        hooks.push((await this.exec(lifecycle.preStop.exec.command, name)).output.trim());
    this.ready = false;
    const endMs = performance.now() + (this.settings.spec.terminationGracePeriodSeconds ?? 30) * 1000;
    const statuses = await Promise.all(
      [...this.#containers.values()].map(async (container) => {
        container.signal('SIGTERM');
        while (container.status === undefined && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 50));
        return container.status;
      }),
    );
    this.kill();
    return { statuses, hooks };
  }

  kill(): void {
    this.ready = false;
    for (const container of this.#containers.values()) container.kill();
    this.#shared?.holder.kill('SIGKILL');
  }

  /** As kubelet does some time after a Secret has changed: its files are others in every volume of it. */
  renewSecret(secret: string): void {
    for (const { name, secret: of } of this.settings.spec.volumes ?? [])
      if (of?.secretName === secret) writeFiles(path.join(this.settings.folder, `volume-${name}`), this.settings.secrets[secret]!);
  }

  /** Resolves with the status of the last container, for pods that run to their end. */
  async untilDone(): Promise<{ status: number; log: string }> {
    return { status: await this.#containers.get(this.first)!.exited, log: this.log(this.first) };
  }

  log(containerName = this.first): string {
    return this.#containers.get(containerName)?.lines.join('\n') ?? '';
  }

  /** The container that Kubernetes adds: it is PID 1 of the others and takes up their orphans. */
  async #holdProcesses(): Promise<void> {
    const hold = ['--pdeathsig', 'KILL', 'unshare', '--pid', '--fork', '--kill-child=SIGKILL', 'tini', '--', 'sleep', 'infinity'];
    const holder = spawn('setpriv', hold, { stdio: 'ignore' });
    while (!childOf(holder) && holder.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 10));
    this.#shared = { holder, pid: childOf(holder) };
  }

  #run(container: Container): RunningContainer {
    const image = this.settings.imageOf(container.image);
    const environment = this.#environment(container, image);
    const values = Object.fromEntries(environment.map((each) => [each.slice(0, each.indexOf('=')), each.slice(each.indexOf('=') + 1)]));
    const expanded = (text: string): string => text.replaceAll(/\$\(([A-Za-z_]\w*)\)/g, (whole, name: string) => values[name] ?? whole);
    const command = [...(container.command ?? image.config.entrypoint), ...(container.args ?? [])].map(expanded);
    const root = path.join(this.settings.folder, `root-${container.name}`);
    mkdirSync(root, { recursive: true });
    const mounts = [
      `${this.settings.hostsFile}:/etc/hosts:ro`,
      ...(image.root === undefined ? [] : [`${image.root}:/opt/golddiff:ro`]),
      ...(container.volumeMounts ?? []).map(({ name, mountPath, readOnly }) => `${this.#volume(name)}:${mountPath}:${readOnly ? 'ro' : 'rw'}`),
    ];
    const processes =
      this.#shared === undefined
        ? ['unshare', '--mount', '--pid', '--fork', '--kill-child=SIGKILL']
        : ['nsenter', '--target', String(this.#shared.pid), '--pid', '--', 'unshare', '--mount'];
    const isolate = [...processes, sandbox, root, String(UID), ...mounts, '--'];
    // Whatever ends this process ends the pods: the kernel sees to it.
    const [program, ...args] = [
      'setpriv',
      '--pdeathsig',
      'KILL',
      ...this.settings.launcher,
      ...isolate,
      '/usr/bin/env',
      '-i',
      ...environment,
      ...command,
    ] as [string, ...string[]];
    const running = new RunningContainer(spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] }), environment);
    this.#containers.set(container.name, running);
    return running;
  }

  #environment(container: Container, image: PlayedImage): string[] {
    const values: Record<string, string> = { ...image.config.environment };
    if (image.root === undefined) values['PATH'] ??= '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    for (const { name, value, valueFrom } of container.env ?? []) {
      if (valueFrom?.fieldRef?.fieldPath === 'metadata.name') values[name] = this.name;
      else if (valueFrom?.secretKeyRef !== undefined) values[name] = this.settings.secrets[valueFrom.secretKeyRef.name]![valueFrom.secretKeyRef.key]!;
      else if (valueFrom !== undefined) throw new Error(`${this.name}: a source of ${name} that is not played`);
      else values[name] = String(value).replaceAll(/\$\(([A-Za-z_]\w*)\)/g, (whole, of: string) => values[of] ?? whole);
    }
    return Object.entries(values).map(([name, value]) => `${name}=${value}`);
  }

  /** Folder of a volume, made when first asked for and owned by fsGroup. */
  #volume(name: string): string {
    const volume = (this.settings.spec.volumes ?? []).find((each) => each.name === name);
    // A file of this machine, as compose mounts it.
    if (volume?.file !== undefined) return ownFile(volume.file, this.settings.folder);
    if (volume?.persistentVolumeClaim !== undefined) return this.settings.claimFolder(volume.persistentVolumeClaim.claimName);
    if (volume === undefined) return this.settings.claimFolder(`${name}-${this.name}`);
    const folder = path.join(this.settings.folder, `volume-${name}`);
    if (existsSync(folder)) return folder;
    mkdirSync(folder);
    const files =
      volume.secret !== undefined
        ? this.settings.secrets[volume.secret.secretName]
        : volume.configMap !== undefined
          ? this.settings.configMaps[volume.configMap.name]
          : {};
    if (files === undefined) throw new Error(`${this.name}: nothing of the name that volume ${name} asks for`);
    writeFiles(folder, files);
    chownSync(folder, UID, UID);
    return folder;
  }
}

class RunningContainer {
  status: number | undefined;
  readonly lines: string[] = [];
  readonly exited: Promise<number>;

  constructor(
    private readonly child: ChildProcess,
    readonly environment: readonly string[],
  ) {
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.lines.push(...chunk.toString().trimEnd().split('\n'));
        this.lines.splice(0, this.lines.length - LOG_LINES_KEPT);
      });
    this.exited = new Promise((resolve) =>
      child.once('close', (code, signal) => {
        this.status = code ?? 128 + (signal === 'SIGKILL' ? 9 : 15);
        resolve(this.status);
      }),
    );
  }

  /** The container's PID 1, as this machine numbers it. */
  get pid(): number {
    return childOf(this.child);
  }

  signal(signal: 'SIGTERM'): void {
    if (this.status !== undefined) return;
    try {
      // 0 would be the group of this process: the container's own has ended, as NATS may of its hook.
      const { pid } = this;
      if (pid > 0) process.kill(pid, signal);
    } catch {
      // It ended between the look and the signal.
    }
  }

  kill(): void {
    if (this.status === undefined) this.child.kill('SIGKILL');
  }
}

/** The first child of a process as this machine numbers it; 0 = none yet. */
function childOf({ pid }: ChildProcess): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
}

function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [file, text] of Object.entries(files)) writeFileSync(path.join(folder, file), text, { mode: 0o444 });
}

/** Configuration of NATS as the nats-server of this machine reads it. */
function ownFile(file: string, folder: string): string {
  if (path.basename(file) !== 'nats.conf') return file;
  const copy = path.join(folder, 'nats.conf');
  writeFileSync(copy, readableNatsConf(readFileSync(file, 'utf8')), { mode: 0o444 });
  return copy;
}

/** Debian's nats-server is older than the pinned image, and takes no configuration with the one word that it does not know. */
export function readableNatsConf(text: string): string {
  const version = /v(\d+)\.(\d+)/.exec(spawnSync('nats-server', ['--version'], { encoding: 'utf8' }).stdout ?? '');
  const old = version !== null && Number(version[1]) === 2 && Number(version[2]) < 10;
  return old ? text.replace(/^ *sync_interval: always\n/m, '') : text;
}

/** As kubelet's own gRPC probe: undefined where the service is SERVING. */
async function grpcHealth(address: string, service: string, timeoutMs: number): Promise<string | undefined> {
  const client = connect(address);
  try {
    const status = await client.health(service, { timeoutMs });
    return status === 'SERVING' ? undefined : status;
  } catch (error) {
    return String(error);
  } finally {
    client.close();
  }
}

/** Why pods cannot be played here; undefined where they can. */
export function podsMissing(): string | undefined {
  const works = (command: string, ...args: string[]): boolean => spawnSync(command, args, { stdio: 'ignore' }).status === 0;
  if (process.getuid?.() !== 0 || !works('unshare', '--mount', '--pid', '--fork', 'mount', '-t', 'tmpfs', 'x', '/mnt'))
    return 'sandboxes for pods cannot be made (needs root with CAP_SYS_ADMIN)';
  if (!works('tini', '--version')) return 'tini is not installed (Debian: apt-get install tini)';
  if (!works('nats-server', '--version')) return 'nats-server is not installed (Debian: apt-get install nats-server)';
  return undefined;
}
