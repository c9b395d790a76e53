import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chartFolder, helm, helmMissing, matrix } from './render.js';

const MINIMAL = matrix.get('minimal')!;

const KEDA = ['keda.enabled=true', 'keda.prometheusAddress=http://prometheus:9090', 'metrics.serviceMonitor.enabled=true'];

/** Values that must be refused, by what is said about them. */
const REFUSED: readonly [what: string, set: readonly string[], sentence: RegExp][] = [
  ['no data set', ['dataset.source='], /dataset\.source must be one of the following: "pvc", "http", "objectStore"/],
  ['no choice of TLS', ['tls.mode='], /tls\.mode must be one of the following: "plaintext", "secrets", "certManager"/],
  ['fewer workers than replicas', ['worker.replicas=1'], /Expected worker\.replicas of at least replicationFactor \(2\) but received 1/],
  [
    'fewer workers than replicas, by KEDA',
    [...KEDA, 'replicationFactor=4', 'worker.replicas=4'],
    /Expected keda\.minReplicas of at least replicationFactor \(4\) but received 3/,
  ],
  ['KEDA without its series', [...KEDA, 'metrics.serviceMonitor.enabled=false'], /Expected metrics\.serviceMonitor\.enabled beside keda\.enabled/],
  [
    'a way in for callers with certificates by no name',
    ['ingress.enabled=true', 'tls.mode=secrets', 'tls.secrets.default=a'],
    /Expected ingress\.host beside ingress\.enabled with mutual TLS/,
  ],
  ['NATS over a protocol that processes do not speak', ['nats.url=wss://nats:443'], /nats\.url: Does not match pattern/],
  ['an unknown value', ['worker.replica=3'], /worker: Additional property replica is not allowed/],
  ['an unknown part', ['redis.enabled=true'], /Additional property redis is not allowed/],
  ['a word for a number', ['coordinator.replicas=two'], /coordinator\.replicas: Invalid type\. Expected: integer, given: string/],
  ['a claim without a name', ['dataset.source=pvc'], /dataset\.pvc\.claimName: String length must be greater than or equal to 1/],
  ['a web server without a URL', ['dataset.source=http', 'dataset.import.enabled=false'], /dataset\.http\.url: Does not match pattern/],
  ['an import to a web server', ['dataset.source=http', 'dataset.http.url=https://a/b/'], /dataset\.import\.enabled.* does not match: false/],
  ['an object without a name', ['dataset.objectStore.name='], /dataset\.objectStore\.name: String length must be greater than or equal to 1/],
  ['an even number of NATS servers', ['nats.replicas=2'], /nats\.replicas must be one of the following: 1, 3, 5/],
  ['an address of NATS that is none', ['nats.url=somewhere'], /nats\.url: Does not match pattern/],
  ['KEDA without Prometheus', ['keda.enabled=true'], /keda\.prometheusAddress: Does not match pattern/],
  ['an issuer without a name', ['tls.mode=certManager'], /tls\.certManager\.issuerRef\.name: String length must be/],
  ['a Gateway without a parent', ['gateway.enabled=true'], /gateway\.parentRefs: Array must have at least 1 items/],
  ['a batch beyond the limit', ['test.batch=257'], /test\.batch: Must be less than or equal to 256/],
  ['a quantity that is none', ['worker.cache.size=lots'], /worker\.cache\.size: Does not match pattern/],
  ['several GPUs for a worker', ['worker.gpu.count=2'], /worker\.gpu\.count: Must be less than or equal to 1/],
  [
    'a cache beyond its volume',
    ['worker.cache.bytes=30Gi'],
    /Expected worker\.cache\.bytes of at most worker\.cache\.size \(24Gi\) but received 30Gi/,
  ],
  [
    'no memory for rows',
    ['worker.resources.limits.memory=2Gi'],
    /Expected at least 2816Mi for worker\.resources\.limits\.memory, .* but received 2Gi/,
  ],
  ['a GPU without its memory', ['worker.gpu.enabled=true'], /Expected worker\.deviceMemory, such as 70Gi, beside worker\.gpu\.enabled/],
  ['Secrets without a name', ['tls.mode=secrets'], /Expected tls\.secrets\.coordinator or tls\.secrets\.default with tls\.mode secrets/],
  ['an import to the root of a claim', ['dataset.source=pvc', 'dataset.pvc.claimName=c'], /Expected dataset\.pvc\.path, the folder to import into/],
  ['two kinds of credentials', ['nats.url=nats://n', 'nats.auth.tokenSecret.name=a', 'nats.auth.credsSecret.name=b'], /but received both/],
  [
    'fewer coordinators at most than at least',
    ['coordinator.autoscaling.enabled=true', 'coordinator.autoscaling.maxReplicas=1'],
    /minReplicas of at most maxReplicas/,
  ],
];

describe('values that cannot work', { skip: helmMissing ?? false }, () => {
  for (const [what, set, sentence] of REFUSED)
    it(`are refused: ${what}`, async () => {
      const flags = set.flatMap((each) => ['--set', each]);
      await assert.rejects(helm('template', 'golddiff', chartFolder, '-f', MINIMAL, ...flags), { stderr: sentence });
    });
});

/** Values that were taken for impossible once. */
const TAKEN: readonly [what: string, set: readonly string[]][] = [
  ['the least of KEDA, where KEDA is off', ['replicationFactor=4', 'worker.replicas=4', 'keda.minReplicas=1']],
  ['the number of workers, where KEDA is on', [...KEDA, 'replicationFactor=4', 'keda.minReplicas=4', 'worker.replicas=3']],
];

describe('values that have no effect', { skip: helmMissing ?? false }, () => {
  for (const [what, set] of TAKEN)
    it(`are not held to anything: ${what}`, async () => {
      await helm('template', 'golddiff', chartFolder, '-f', MINIMAL, ...set.flatMap((each) => ['--set', each]));
    });
});
