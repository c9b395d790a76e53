import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { packageRoot } from '../../shared/package-root.js';
import { wrongFields, wrongValues } from './object-types.js';
import { chartFolder, helm, helmMissing, matrix, named, template } from './render.js';
import type { Container, KubeObject, PodSpec, Spec } from './objects.js';

const rendered = new Map<string, KubeObject[]>();
const folder = mkdtempSync(path.join(tmpdir(), 'golddiff-chart-'));
after(() => rmSync(folder, { recursive: true, force: true }));

describe('the chart', { skip: helmMissing ?? false }, () => {
  before(async () => {
    for (const [name, file] of matrix) rendered.set(name, await template(file));
  });

  it('covers the ways of running that are promised', () => {
    assert.deepEqual([...matrix.keys()], ['everything', 'existing-nats', 'gpu', 'keda', 'mig', 'minimal', 'tls-secrets', 'tls']);
  });

  for (const [name, file] of matrix)
    it(`passes helm lint --strict with the values of ${name}`, async () => {
      const { stdout } = await helm('lint', '--strict', chartFolder, '-f', file);
      assert.match(stdout, /1 chart\(s\) linted, 0 chart\(s\) failed/);
    });

  it('renders objects that Kubernetes and the operators take, without a field that they do not know', async (t) => {
    const objects = [...rendered.values()].flat();
    const wrong = (await Promise.all(objects.map(wrongValues))).flat();
    assert.deepEqual(wrong, []);
    assert.deepEqual(wrongFields(objects), []);
    t.diagnostic(`${objects.length} objects of ${new Set(objects.map((o) => o.kind)).size} kinds, from ${rendered.size} files of values`);
    // Both checks can fail.
    const worker = JSON.stringify(named(rendered.get('minimal')!, 'StatefulSet', 'golddiff-worker'));
    const misspelt = JSON.parse(worker.replace('"readinessProbe"', '"readinesProbe"')) as KubeObject;
    assert.match(wrongFields([misspelt])[0] ?? '', /^StatefulSet golddiff-worker: .*readinesProbe/);
    const worded = JSON.parse(worker.replace('"replicas":3', '"replicas":"three"')) as KubeObject;
    assert.match((await wrongValues(worded))[0] ?? '', /replicas must be integer/);
  });

  it('gives no two objects one name, and every object its namespace and labels', () => {
    for (const [name, objects] of rendered) {
      const keys = objects.map((o) => `${o.kind} ${o.metadata.name}`);
      assert.deepEqual(
        keys.filter((key, i) => keys.indexOf(key) !== i),
        [],
        name,
      );
      for (const o of objects.filter((each) => !/-(extra|text)$/.test(each.metadata.name))) {
        assert.equal(o.metadata.namespace, 'science', `${name}: ${o.kind} ${o.metadata.name}`);
        assert.equal(o.metadata.labels?.['app.kubernetes.io/instance'], 'golddiff', `${name}: ${o.kind} ${o.metadata.name}`);
      }
    }
  });

  it('runs every container hardened, and puts no secret into a value', () => {
    for (const [name, objects] of rendered)
      for (const { spec, containers } of pods(objects)) {
        assert.equal(spec.automountServiceAccountToken, false, name);
        assert.equal(spec.enableServiceLinks, false, name);
        assert.equal(spec.securityContext?.runAsNonRoot, true, name);
        for (const container of containers) {
          assert.deepEqual(container.securityContext, {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          });
          assert.ok(container.resources?.limits?.['memory'], `${name}: ${container.name}`);
          for (const { name: variable, value } of container.env ?? [])
            if (/TOKEN|PASSWORD/.test(variable)) assert.equal(value, undefined, `${name}: ${variable}`);
          // What is not mounted is read-only: every path that is written must be a volume. The reloader writes nothing.
          if (container.name === 'reloader') assert.ok(container.volumeMounts?.every(({ readOnly }) => readOnly));
          else
            assert.ok(
              container.volumeMounts?.some(({ mountPath }) => ['/tmp', '/data'].includes(mountPath)),
              container.name,
            );
        }
      }
  });

  it('sets no variable that its program does not read, with any of the files of values', () => {
    // Secrets that are variables alone: shared/dataset/data-flags.ts, shared/control-plane/nats/security.ts.
    const alone = ['GOLDDIFF_DATA_TOKEN', 'GOLDDIFF_NATS_TOKEN'];
    for (const service of ['coordinator', 'shard-worker']) {
      const { stdout } = spawnSync(process.execPath, [path.join(packageRoot, 'dist', service, 'main.js'), '--help'], { encoding: 'utf8' });
      const known = new Set([...(stdout.match(/GOLDDIFF_\w+/g) ?? []), ...alone]);
      const set = [...rendered.values()].flatMap((objects) =>
        pods(objects).flatMap(({ containers }) => containers.filter(({ name }) => name === service)),
      );
      const used = new Set(set.flatMap(({ env = [] }) => env.map(({ name }) => name)).filter((name) => name.startsWith('GOLDDIFF_')));
      assert.ok(used.size > 20, `${service}: ${used.size} variables`);
      assert.deepEqual(
        [...used].filter((name) => !known.has(name)),
        [],
        service,
      );
    }
  });

  it('lets pods go only as far as the replicas of partitions allow', () => {
    const allowed = (name: string): number | undefined => named(rendered.get(name)!, 'PodDisruptionBudget', 'golddiff-worker').spec.maxUnavailable;
    assert.deepEqual([allowed('gpu'), allowed('minimal'), allowed('keda')], [1, 1, 2], 'with replication factors of 1, 2 and 3');
    assert.equal(named(rendered.get('minimal')!, 'PodDisruptionBudget', 'golddiff-nats').spec.maxUnavailable, 1);
  });

  it('asks for GPUs and their parts by resource name, with room for all workers to start at once', () => {
    const worker = (name: string): Spec => named(rendered.get(name)!, 'StatefulSet', 'golddiff-worker').spec;
    const container = (name: string): Container => worker(name).template!.spec.containers[0]!;
    assert.equal(worker('gpu').podManagementPolicy, 'Parallel');
    const pod = worker('gpu').template!.spec;
    assert.equal(container('gpu').resources?.limits?.['nvidia.com/gpu'], 1);
    assert.equal(container('gpu').image, 'golddiff-shard-worker-cuda:0.1.0');
    assert.deepEqual([pod.runtimeClassName, pod.priorityClassName], ['nvidia', 'production']);
    const environment = (name: string): Record<string, string | undefined> =>
      Object.fromEntries((container(name).env ?? []).map((e) => [e.name, e.value]));
    assert.deepEqual([environment('gpu')['GOLDDIFF_BACKEND'], environment('gpu')['GOLDDIFF_DEVICE_MEMORY']], ['cuda', '70Gi']);
    assert.equal(environment('minimal')['GOLDDIFF_DEVICE_MEMORY'], String(6 * 2 ** 30 - 2.5 * 2 ** 30));
    assert.equal(container('mig').resources?.limits?.['nvidia.com/mig-1g.18gb'], 1);
    assert.equal(worker('keda').replicas, undefined, 'KEDA has the say');
    assert.equal(named(rendered.get('keda')!, 'Deployment', 'golddiff-coordinator').spec.replicas, undefined, 'the HPA has the say');
  });

  it('takes rules and dashboards from deploy/, where compose and bare metal have them', () => {
    for (const [link, source] of [
      ['rules', 'deploy/prometheus/rules'],
      ['dashboards', 'deploy/grafana/dashboards'],
    ] as const) {
      assert.equal(realpathSync(path.join(chartFolder, 'files', link)), path.join(packageRoot, source));
    }
    const objects = rendered.get('everything')!;
    const dashboards = readdirSync(path.join(packageRoot, 'deploy/grafana/dashboards')).filter((file) => file.endsWith('.json'));
    assert.ok(dashboards.length > 0);
    for (const file of dashboards) {
      const map = named(objects, 'ConfigMap', `golddiff-scores-dashboard-${file.replace('.json', '')}`);
      assert.deepEqual(
        JSON.parse(map.data?.[file] ?? ''),
        JSON.parse(readFileSync(path.join(packageRoot, 'deploy/grafana/dashboards', file), 'utf8')),
      );
    }
    const rules = readdirSync(path.join(packageRoot, 'deploy/prometheus/rules')).filter((file) => file.endsWith('.yaml'));
    assert.equal(objects.filter((o) => o.kind === 'PrometheusRule').length, rules.length);
    assert.ok(rules.length > 0);
  });

  it('is packaged whole', async () => {
    const { stdout } = await helm('package', chartFolder, '--destination', folder);
    const archive = /saved it to: (.*)$/m.exec(stdout)?.[1] ?? '';
    assert.ok(existsSync(archive));
    const fromArchive = await helm('template', 'golddiff', archive, '--namespace', 'science', '-f', matrix.get('everything')!);
    const fromFolder = await helm('template', 'golddiff', chartFolder, '--namespace', 'science', '-f', matrix.get('everything')!);
    assert.equal(fromArchive.stdout, fromFolder.stdout);
  });
});

/** Every pod that objects describe. */
function pods(objects: readonly KubeObject[]): { spec: PodSpec; containers: Container[] }[] {
  return objects.flatMap(({ kind, spec }) => {
    const pod = kind === 'Pod' ? spec : spec?.template?.spec;
    return pod?.containers === undefined
      ? []
      : [{ spec: { ...pod, containers: pod.containers }, containers: [...(pod.initContainers ?? []), ...pod.containers] }];
  });
}
