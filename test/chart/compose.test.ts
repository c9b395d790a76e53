import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { packageRoot } from '../../shared/package-root.js';
import { namespacesMissing } from '../support/network-namespaces.js';
import { imageConfig, readDockerfile } from './dockerfile.js';
import { fencedBlocks } from './notes.js';
import { podsMissing, type PlayedImage } from './pod.js';
import { PlayedCluster } from './played-cluster.js';
import type { KubeObject } from './objects.js';

interface ComposeService {
  readonly image: string;
  readonly build?: { readonly target: string; readonly dockerfile: string };
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly user?: string;
  readonly cap_add?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly profiles?: readonly string[];
  readonly read_only?: boolean;
  readonly depends_on?: object;
  readonly stop_grace_period?: string;
}

const ROWS = 6_000;
const read = (file: string): string => readFileSync(path.join(packageRoot, file), 'utf8');
const compose = parse(read('compose.yaml'), { merge: true }) as { services: Record<string, ComposeService>; volumes: Record<string, null> };
const services = Object.entries(compose.services);
const ours = services.filter(([, { image }]) => image.startsWith('golddiff-'));
const targetOf = (image: string): string => image.replace(/^golddiff-(.*):.*$/, '$1');

describe('compose.yaml', () => {
  it('builds the images of the Dockerfile, mounts what is in the tree and declares what it uses', () => {
    const stages = readDockerfile().stages;
    for (const [name, { image, build, volumes = [], depends_on = {}, read_only }] of services) {
      assert.match(image, /:[v\d][\w.-]*\d[\w.-]*$/, `${name} is pinned`);
      if (build !== undefined) assert.ok(stages.has(build.target) && build.target === targetOf(image), name);
      if (image.startsWith('golddiff-')) assert.equal(read_only, true, name);
      for (const volume of volumes) {
        const [from = ''] = volume.split(':');
        if (from.startsWith('.')) assert.ok(existsSync(path.join(packageRoot, from)), `${name}: ${from}`);
        else assert.ok(from in compose.volumes, `${name}: ${from}`);
      }
      for (const other of Array.isArray(depends_on) ? (depends_on as string[]) : Object.keys(depends_on))
        assert.ok(other in compose.services, `${name} waits for ${other}`);
    }
  });

  it('gives the volumes that services without rights write to their user first', () => {
    const OWNER = 'volume-owner';
    const owner = compose.services[OWNER]!;
    const [program, user, ...folders] = owner.entrypoint ?? [];
    assert.deepEqual([program, user, owner.user, owner.cap_add], ['chown', '10001:10001', '0:0', ['CHOWN']]);
    const given = (owner.volumes ?? []).map((volume) => volume.split(':') as [string, string]);
    assert.deepEqual(
      given.map(([, folder]) => folder),
      folders,
    );
    for (const [name, { image, user: own, volumes = [], depends_on = {} }] of services) {
      // Those of others that start as root see to their volumes themselves.
      if (name === OWNER || !(image.startsWith('golddiff-') || own?.startsWith('10001'))) continue;
      for (const volume of volumes.filter((each) => !each.startsWith('.') && !each.endsWith(':ro'))) {
        assert.ok(
          given.some(([from]) => volume.startsWith(`${from}:`)),
          `${name}: ${volume}`,
        );
        assert.ok(OWNER in depends_on, `${name} waits for ${OWNER}`);
      }
    }
    for (const [name, { cap_add }] of services) assert.ok(name === OWNER || cap_add === undefined, name);
  });

  it('has Prometheus ask exactly the processes that there are', () => {
    const targets = (file: string): string[] =>
      (parse(read(`deploy/compose/targets/${file}`)) as { targets: string[] }[]).flatMap((each) => each.targets);
    const running = (kind: string): string[] => ours.filter(([, { image }]) => targetOf(image) === kind).map(([name]) => `${name}:9464`);
    assert.deepEqual(targets('coordinators.yaml'), running('coordinator'));
    assert.deepEqual(targets('shard-workers.yaml'), running('shard-worker'));
    const configured = read('deploy/prometheus/prometheus.yaml').match(/targets\/[\w-]+\.yaml/g);
    assert.deepEqual(configured?.map((each) => path.basename(each)).sort(), readdirSync(path.join(packageRoot, 'deploy/compose/targets')).sort());
  });

  it('is a cluster that scores, with its services played', { skip: podsMissing() ?? namespacesMissing ?? false }, async (t) => {
    const scratch = mkdtempSync(path.join(tmpdir(), 'golddiff-compose-'));
    const dockerfile = readDockerfile();
    const images = new Map<string, PlayedImage>([
      ['nats:2.12.1-alpine', { config: { entrypoint: ['nats-server'], environment: {}, user: '10001', labels: {}, healthcheck: undefined } }],
    ]);
    for (const target of ['coordinator', 'shard-worker', 'tools']) {
      const root = path.join(scratch, target);
      execFileSync(process.execPath, ['deploy/docker/steps/assemble.mjs', target, root], { cwd: packageRoot, stdio: 'ignore' });
      images.set(`golddiff-${target}:0.1.0`, { config: imageConfig(dockerfile, target), root });
    }
    const cluster = new PlayedCluster({ images });
    try {
      cluster.install(
        services
          .filter(([, { image, profiles, entrypoint }]) => images.has(image) && profiles === undefined && entrypoint === undefined)
          .flatMap(([name, service]) =>
            // Fewer rows than the real import: what is looked at here is that the services meet.
            played(name, name === 'import' ? { ...service, command: [...(service.command ?? []), '--limit', String(ROWS)] } : service),
          ),
      );
      await cluster.complete('import');
      await cluster.complete('push');
      for (const [name] of ours.filter(([, { image }]) => targetOf(image) === 'coordinator')) await cluster.rollout('StatefulSet', name);
      const [tools] = services.filter(([name]) => name === 'tools');
      const command = /docker compose run --rm (tools cluster check .*)$/m.exec(read('compose.yaml'))![1]!.split(' ').slice(1);
      const said = await cluster.runOnce(played('tools', { ...tools![1], command })[0]!);
      assert.match(said, new RegExp(`: ${ROWS} rows of \\[1, 28, 28\\], all of them served`));
      t.diagnostic(said.split('\n')[1]!);
      for (const [name] of ours.filter(([, { image }]) => /coordinator|worker/.test(image)))
        assert.deepEqual((await cluster.pods(`StatefulSet/${name}`)[0]!.stop()).statuses, [0], name);
    } finally {
      cluster.dispose();
      rmSync(scratch, { recursive: true, force: true });
    }
  });
});

/** A service as the objects that a PlayedCluster knows: a set of one pod that other pods find by the service's name, or a Job where it runs to its end. */
function played(name: string, { image, command, environment = {}, volumes = [], stop_grace_period = '10s' }: ComposeService): KubeObject[] {
  const { healthcheck } = image.startsWith('golddiff-') ? imageConfig(readDockerfile(), targetOf(image)) : { healthcheck: undefined };
  const parts = [...volumes, 'tmp:/tmp'].map((volume) => volume.split(':') as [string, string, string?]);
  const container = {
    name,
    image,
    args: command ?? [],
    env: Object.entries(environment).map(([key, value]) => ({ name: key, value })),
    volumeMounts: parts.map(([from, to, mode]) => ({ name: from.replaceAll(/[^a-z0-9]/g, '-'), mountPath: to, readOnly: mode === 'ro' })),
    // HEALTHCHECK of the image.
    ...(healthcheck === undefined ? {} : { readinessProbe: { exec: { command: healthcheck } } }),
  };
  const pod = {
    containers: [container],
    terminationGracePeriodSeconds: parseInt(stop_grace_period),
    volumes: parts.map(([from]) => {
      const volume = from.replaceAll(/[^a-z0-9]/g, '-');
      if (from.startsWith('.')) return { name: volume, file: path.join(packageRoot, from) };
      return from === 'tmp' ? { name: volume, emptyDir: {} } : { name: volume, persistentVolumeClaim: { claimName: from } };
    }),
  };
  const runsToItsEnd = ['import', 'push', 'tools'].includes(name);
  const template = { metadata: { labels: { service: name } }, spec: pod };
  const metadata = { name, namespace: 'compose' };
  return [
    { apiVersion: 'v1', kind: runsToItsEnd ? 'Job' : 'StatefulSet', metadata, spec: { replicas: 1, backoffLimit: 20, template } },
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: { service: name }, plainName: true } },
  ];
}

describe('units of systemd', () => {
  const folder = path.join(packageRoot, 'deploy/systemd');

  it('name programs, and variables that are flags of theirs', () => {
    for (const file of readdirSync(folder)) {
      const unit = readFileSync(path.join(folder, file), 'utf8');
      const program = /^ExecStart=.* \/opt\/golddiff\/(\S+)$/m.exec(unit)![1]!;
      const { stdout } = spawnSync(process.execPath, [path.join(packageRoot, program), '--help'], { encoding: 'utf8' });
      const known = new Set(stdout.match(/GOLDDIFF_\w+/g));
      const guide = fencedBlocks(read('docs/BARE-METAL.md'), 'sh').find((block) =>
        block.startsWith(`# /etc/golddiff/${/golddiff-(.*)\.service/.exec(file)![1]}.env`),
      );
      const used = [...`${unit}${guide}`.matchAll(/\b(GOLDDIFF_\w+)=/g)].map(([, name]) => name!);
      assert.ok(used.length > 6, file);
      const port = /GOLDDIFF_METRICS_LISTEN=0\.0\.0\.0:(\d+)/.exec(unit)![1]!;
      const scraped = parse(read(`deploy/prometheus/targets/${/golddiff-(.*)\.service/.exec(file)![1]}s.yaml`)) as { targets: string[] }[];
      for (const target of scraped.flatMap((each) => each.targets))
        assert.equal(target.split(':')[1], port, `Prometheus asks at the port of ${file}`);
      assert.deepEqual(
        used.filter((name) => !known.has(name)),
        [],
        file,
      );
    }
  });

  it(
    'are ones that systemd reads',
    { skip: spawnSync('systemd-analyze', ['--version']).status === 0 ? false : 'systemd-analyze is not installed (Debian: apt-get install systemd)' },
    () => {
      for (const file of readdirSync(folder)) {
        const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', path.join(folder, file)], { encoding: 'utf8' });
        const wrong = stderr.split('\n').filter((line) => line.includes(file) && !/is not executable|No such file|Failed to load/.test(line));
        assert.deepEqual(wrong, []);
      }
    },
  );
});
