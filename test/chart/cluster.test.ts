import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { packageRoot } from '../../shared/package-root.js';
import { imageConfig, inherited, playBuild, readDockerfile, stepScripts } from './dockerfile.js';
import { podsMissing, type PlayedImage } from './pod.js';
import { PlayedCluster } from './played-cluster.js';
import { helmMissing, matrix, template } from './render.js';
import { namespacesMissing } from '../support/network-namespaces.js';

const TARGETS = ['coordinator', 'shard-worker', 'tools'];
const scratch = mkdtempSync(path.join(tmpdir(), 'golddiff-images-'));
const dockerfile = readDockerfile();
let images: Map<string, PlayedImage>;
const steps: string[] = [];

before(async () => {
  const built = await playBuild(dockerfile, scratch, (step, seconds) => steps.push(`${step}: ${seconds.toFixed(1)} s`));
  images = new Map(TARGETS.map((target) => [`golddiff-${target}:0.1.0`, { config: imageConfig(dockerfile, target), root: path.join(built, target) }]));
  images.set('nats:2.12.1-alpine', { config: { entrypoint: [], environment: {}, user: '10001', labels: {}, healthcheck: undefined } });
});
after(() => rmSync(scratch, { recursive: true, force: true }));

it('dummy', async (t) => {
  for (const s of steps) t.diagnostic(s);
  const cluster = new PlayedCluster({ images });
  try {
    cluster.install(await template(matrix.get('minimal')!));
    let t0 = performance.now();
    const tick = (w: string) => { t.diagnostic(`${w} ${((performance.now() - t0) / 1000).toFixed(1)}`); t0 = performance.now(); };
    await cluster.rollout('StatefulSet', 'golddiff-nats');
    tick('nats');
    const job = (await template(matrix.get('minimal')!)).find((o) => o.kind === 'Job')!.metadata.name;
    t.diagnostic(await cluster.complete(job));
    tick('job');
    await cluster.rollout('StatefulSet', 'golddiff-worker');
    tick('worker');
    await cluster.rollout('Deployment', 'golddiff-coordinator');
    tick('coordinator');
    t.diagnostic(await cluster.test());
    tick('test');
    for (const kind of ['Deployment/golddiff-coordinator', 'StatefulSet/golddiff-worker', 'StatefulSet/golddiff-nats']) {
      const pod = cluster.pods(kind)[0]!;
      t.diagnostic(JSON.stringify(await pod.probe('livenessProbe')));
      t.diagnostic(JSON.stringify(await pod.stop()));
      t.diagnostic(pod.log().split('\n').slice(-4).join('\n'));
      tick(kind);
    }
  } finally {
    cluster.dispose();
  }
});
