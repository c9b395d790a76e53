import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KubeObject, Spec } from './objects.js';
import { helmMissing, matrix, named, template } from './render.js';

const rendered = (values: string, ...set: string[]): Promise<KubeObject[]> =>
  template(matrix.get(values)!, ...set.flatMap((each) => ['--set', each]));
const policyPorts = (objects: readonly KubeObject[], component: string): number[] =>
  (named(objects, 'NetworkPolicy', `golddiff-${component}`).spec.egress ?? []).flatMap(({ ports = [] }) => ports.map(({ port }) => port));

describe('what the chart wires together', { skip: helmMissing ?? false }, () => {
  it('names the import Job by all that its pods are made of, since those of a Job that is there cannot be changed', async () => {
    const job = async (...set: string[]): Promise<[name: string, pod: string]> => {
      const { metadata, spec } = (await rendered('minimal', ...set)).find(({ kind }) => kind === 'Job')!;
      return [metadata.name, JSON.stringify(spec.template)];
    };
    const changes = [
      'image.tag=0.1.1',
      'image.pullPolicy=Always',
      'commonLabels.team=a',
      'commonAnnotations.owner=a',
      'dataset.import.source=emoji',
      'dataset.import.resources.limits.memory=3Gi',
      'dataset.import.scratchSize=20Gi',
      'nats.auth.tokenSecret.name=token',
      'serviceAccount.name=runner',
    ];
    const jobs = await Promise.all([job(), ...changes.map((each) => job(each))]);
    assert.equal(new Set(jobs.map(([name]) => name)).size, jobs.length, 'another name for each other pod');
    assert.equal(new Set(jobs.map(([, pod]) => pod)).size, jobs.length);
    assert.deepEqual(
      await job('worker.logLevel=debug', 'coordinator.service.annotations.a=b', 'nats.storage.size=30Gi'),
      jobs[0],
      'the same for the same',
    );
    for (const [, pod] of jobs) assert.doesNotMatch(pod, /helm\.sh\/chart|app\.kubernetes\.io\/version/, 'a version of the chart is no other import');
  });

  it('has NATS read renewed certificates where it has any: beside each server a container that sees its process tells it', async () => {
    const nats = (objects: readonly KubeObject[]): Spec => named(objects, 'StatefulSet', 'golddiff-nats').spec;
    const [secured, plain] = [nats(await rendered('tls')).template!.spec, nats(await rendered('minimal')).template!.spec];
    assert.deepEqual([plain.containers.length, plain.shareProcessNamespace], [1, undefined]);
    const [server, reloader] = secured.containers;
    assert.deepEqual([secured.containers.length, secured.shareProcessNamespace, reloader?.name], [2, true, 'reloader']);
    assert.equal(reloader?.image, server?.image);
    const places = (of: typeof server): string[] => of!.volumeMounts!.map(({ name, mountPath }) => `${name}:${mountPath}`);
    assert.deepEqual(
      places(reloader).filter((each) => !places(server).includes(each)),
      [],
      'it looks at what the server has',
    );
  });

  it('spreads NATS by values of its own', async () => {
    const spread = async (...set: string[]): Promise<unknown> =>
      named(await rendered('minimal', ...set), 'StatefulSet', 'golddiff-nats').spec.template;
    assert.match(JSON.stringify(await spread()), /"topologyKey":"kubernetes.io\/hostname"/);
    assert.deepEqual(await spread('worker.spread.topologyKey=zone'), await spread());
    assert.match(JSON.stringify(await spread('nats.spread.topologyKey=zone')), /"topologyKey":"zone"/);
  });

  it('asks for a worker for each lagSeconds, however many there are', async () => {
    const { triggers } = named(await rendered('keda'), 'ScaledObject', 'golddiff-worker').spec as { triggers?: { metricType: string }[] };
    assert.deepEqual(
      triggers?.map(({ metricType }) => metricType),
      ['AverageValue'],
    );
  });

  it('lets callers through an Ingress to show their own certificates where they need one', async () => {
    const annotations = async (values: string): Promise<unknown> =>
      named(await rendered(values, 'ingress.enabled=true', 'ingress.host=scores.example'), 'Ingress', 'golddiff-coordinator').metadata.annotations;
    assert.deepEqual(await annotations('minimal'), { 'nginx.ingress.kubernetes.io/backend-protocol': 'GRPC' });
    assert.deepEqual(await annotations('tls-secrets'), {
      'nginx.ingress.kubernetes.io/backend-protocol': 'GRPCS',
      'nginx.ingress.kubernetes.io/ssl-passthrough': 'true',
    });
  });

  it('opens the ports that addresses name, and those of their schemes where they name none', async () => {
    const otlp = async (url: string): Promise<number[]> => policyPorts(await rendered('minimal', `tracing.otlpEndpoint=${url}`), 'worker');
    const before = policyPorts(await rendered('minimal'), 'worker');
    for (const [url, port] of [
      ['https://traces.example/v1/traces', 443],
      ['http://traces.example', 80],
      ['http://traces.example:4318/a:5', 4318],
      ['http://[2001:db8::1]:4318', 4318],
      ['http://[2001:db8::1]', 80],
    ] as const)
      assert.deepEqual(await otlp(url), [...before, port], url);
    const nats = async (urls: string): Promise<number[]> =>
      policyPorts(await rendered('minimal', `nats.url=${urls.replaceAll(',', '\\,')}`), 'coordinator').slice(2, -1);
    assert.deepEqual(await nats('nats://a:4333,tls://b:4444,nats://c:4333'), [4333, 4444]);
    assert.deepEqual(await nats('nats://user:1234@a,nats://b'), [4222]);
    const http = ['dataset.import.enabled=false', 'dataset.source=http'];
    const data = async (url: string): Promise<number[]> => policyPorts(await rendered('minimal', ...http, `dataset.http.url=${url}`), 'worker');
    assert.deepEqual(await data('https://data.example/a/'), [...before, 443]);
    assert.deepEqual(await data('http://data.example:8080/a/'), [...before, 8080]);
  });
});
