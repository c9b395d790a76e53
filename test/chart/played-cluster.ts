/**
 * The part of a cluster, played on this machine: takes objects as Helm rendered them, makes pods of them, gives them names in DNS, network policies and volumes, and does what kubectl and
 * helm are asked to do. No kubelet and no scheduler: what is shown is that the rendered command lines, environment, volumes, probes and hooks are ones that the real processes work with.
 */

import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { enforcePolicies } from './network-policies.js';
import { Pod, readableNatsConf, type PlayedImage } from './pod.js';
import { makePodNetwork } from './pod-network.js';
import type { KubeObject, PodTemplate } from './objects.js';

// The runner ends a file that takes too long by this signal, at which Node would leave namespaces behind.
process.once('SIGTERM', () => process.exit(143));

const UID = 10001;
const READY_WITHIN_MS = 240_000;

export interface PlayedClusterSettings {
  readonly images: ReadonlyMap<string, PlayedImage>;
  readonly secrets?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

interface Place {
  readonly pod: Pod;
  readonly namespace: string;
  readonly owner: string;
}

export class PlayedCluster {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'golddiff-played-'));
  readonly #network = makePodNetwork();
  readonly #hostsFile: string;
  readonly #places: Place[] = [];
  readonly #jobs = new Map<string, Promise<{ log: string; error: Error | undefined }>>();
  #objects: readonly KubeObject[] = [];

  constructor(private readonly settings: PlayedClusterSettings) {
    this.#hostsFile = path.join(this.#folder, 'hosts');
    writeFileSync(this.#hostsFile, '127.0.0.1 localhost\n');
    process.once('exit', () => this.dispose());
  }

  /** Makes and starts the pods of Deployments, StatefulSets and Jobs, all at once and in no order. */
  install(objects: readonly KubeObject[]): void {
    this.#objects = objects;
    const works = objects.filter(({ kind }) => ['StatefulSet', 'Deployment', 'Job'].includes(kind));
    const places = works.flatMap((work) => {
      const count = work.kind === 'Job' ? 1 : (work.spec.replicas ?? 1);
      return Array.from({ length: count }, (_, i) =>
        this.#place(work, work.kind === 'StatefulSet' ? `${work.metadata.name}-${i}` : `${work.metadata.name}-${'abcdefgh'[i]}`, podOf(work)),
      );
    });
    this.#publish();
    for (const { pod, owner } of places)
      if (owner.startsWith('Job/')) {
        const job = owner.slice('Job/'.length);
        const tries = this.object('Job', job).spec.backoffLimit ?? 6;
        this.#jobs.set(
          job,
          pod.runToEnd(tries).then(
            (log) => ({ log, error: undefined }),
            (error: Error) => ({ log: '', error }),
          ),
        );
      } else void pod.start();
  }

  pods(owner: string): Pod[] {
    return this.#places.filter((place) => place.owner === owner).map(({ pod }) => pod);
  }

  object(kind: string, name: string): KubeObject {
    const found = this.#objects.find((o) => o.kind === kind && o.metadata.name === name);
    if (found === undefined) throw new Error(`Error from server (NotFound): ${kind} "${name}" not found`);
    return found;
  }

  /** kubectl rollout status */
  async rollout(kind: 'StatefulSet' | 'Deployment', name: string): Promise<void> {
    this.object(kind, name);
    await Promise.all(this.pods(`${kind}/${name}`).map((pod) => pod.untilReady(READY_WITHIN_MS)));
  }

  /** kubectl wait --for=condition=complete; gives the log of the Job's pod. */
  async complete(name: string): Promise<string> {
    this.object('Job', name);
    const failure = await this.#jobs.get(name)!;
    if (failure.error !== undefined) throw failure.error;
    return failure.log;
  }

  /** One more pod, of a Job that is not installed, to its end; gives its log. */
  async runOnce(job: KubeObject): Promise<string> {
    const { pod } = this.#place(job, job.metadata.name, podOf(job));
    this.#publish();
    return pod.runToEnd(0);
  }

  /** helm test: runs the pods of the hook to their end. */
  async test(): Promise<string> {
    const tests = this.#objects.filter((o) => o.metadata.annotations?.['helm.sh/hook'] === 'test');
    const logs: string[] = [];
    for (const object of tests) {
      const { pod } = this.#place(object, object.metadata.name, podOf(object));
      this.#publish();
      await pod.start();
      const { status, log } = await pod.untilDone();
      if (status !== 0) throw new Error(`helm test ${object.metadata.name} failed with status ${status}: ${log}`);
      logs.push(log);
    }
    if (logs.length === 0) throw new Error('the chart has no test');
    return logs.join('\n');
  }

  /** Address of a pod behind a Service and the port that the Service's leads to. */
  behind(service: string, port: number): { address: string; port: number } {
    const { spec } = this.object('Service', service);
    const [pod] = this.#selected(spec.selector ?? {}).filter((each) => each.ready);
    if (pod === undefined) throw new Error(`no ready pod behind ${service}`);
    const targetPort = spec.ports?.find((each) => each.port === port)?.targetPort;
    const containerPort =
      pod.settings.spec.containers.flatMap((each) => each.ports ?? []).find((each) => each.name === targetPort)?.containerPort ?? targetPort;
    return { address: pod.settings.address, port: Number(containerPort) };
  }

  /** A pod of one's own beside those of the chart, for what a user runs in the cluster. */
  launcherOf(labels: Readonly<Record<string, string>>): readonly [string, ...string[]] {
    const { pod } = this.#place({ kind: 'Pod', metadata: { name: 'user' } }, `user-${this.#places.length}`, {
      metadata: { labels },
      spec: { containers: [] },
    });
    this.#publish();
    return pod.settings.launcher;
  }

  dispose(): void {
    for (const { pod } of this.#places.splice(0)) pod.kill();
    this.#network.dispose();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #place(work: Pick<KubeObject, 'kind' | 'metadata'>, name: string, template: PodTemplate): Place {
    const wire = this.#network.add();
    const folder = path.join(this.#folder, `${name}-${this.#places.length}`);
    mkdirSync(folder);
    const configMaps = Object.fromEntries(
      this.#objects.filter(({ kind }) => kind === 'ConfigMap').map((o) => [o.metadata.name, ownConfig(o.data ?? {})]),
    );
    const pod = new Pod({
      name,
      spec: template.spec,
      labels: template.metadata?.labels ?? {},
      address: wire.address,
      launcher: wire.launcher,
      imageOf: (reference) => {
        const image = this.settings.images.get(reference);
        if (image === undefined) throw new Error(`ErrImagePull: ${reference} is not one of ${[...this.settings.images.keys()].join(', ')}`);
        return image;
      },
      folder,
      secrets: this.settings.secrets ?? {},
      configMaps,
      claimFolder: (claim) => {
        const of = path.join(this.#folder, `claim-${claim}`);
        mkdirSync(of, { recursive: true });
        chownSync(of, UID, UID);
        return of;
      },
      hostsFile: this.#hostsFile,
    });
    const place = { pod, namespace: wire.namespace, owner: `${work.kind}/${work.metadata.name}` };
    this.#places.push(place);
    return place;
  }

  #selected(selector: Readonly<Record<string, string>>): Pod[] {
    return this.#places
      .map(({ pod }) => pod)
      .filter(({ settings }) => Object.entries(selector).every(([label, value]) => settings.labels[label] === value));
  }

  /** DNS and network policies, as they follow from the objects and the pods. */
  #publish(): void {
    const lines = ['127.0.0.1 localhost'];
    for (const service of this.#objects.filter(({ kind }) => kind === 'Service')) {
      const full = `${service.metadata.name}.${service.metadata.namespace}.svc.cluster.local`;
      const stateful = this.#objects.some((o) => o.kind === 'StatefulSet' && o.spec.serviceName === service.metadata.name);
      for (const pod of this.#selected(service.spec.selector ?? {})) {
        lines.push(`${pod.settings.address} ${full}`);
        if (service.spec.plainName === true) lines.push(`${pod.settings.address} ${service.metadata.name}`);
        if (stateful) lines.push(`${pod.settings.address} ${pod.name}.${full}`);
      }
    }
    // In place: the file is mounted into the pods.
    writeFileSync(this.#hostsFile, `${lines.join('\n')}\n`);
    enforcePolicies(
      this.#objects.filter(({ kind }) => kind === 'NetworkPolicy'),
      this.#places.map(({ pod, namespace }) => ({ namespace, address: pod.settings.address, labels: pod.settings.labels })),
    );
  }
}

/** Of a pod itself, or what makes pods. */
function podOf({ kind, metadata, spec }: KubeObject): PodTemplate {
  const found = spec.template ?? (spec.containers === undefined ? undefined : { metadata, spec: { ...spec, containers: spec.containers } });
  if (found === undefined) throw new Error(`${kind} ${metadata.name} has no pods`);
  return found;
}

function ownConfig(files: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).map(([name, text]) => [name, name === 'nats.conf' ? readableNatsConf(text) : text]));
}
