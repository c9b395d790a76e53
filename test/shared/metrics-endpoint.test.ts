import assert from 'node:assert/strict';
import { it } from 'node:test';
import { GolddiffError } from '../../shared/errors.js';
import { startMetricsEndpoint, type MetricsEndpoint } from '../../shared/metrics-endpoint.js';
import { createMetrics } from '../../shared/metrics.js';

async function start(healthy: () => boolean = () => true): Promise<MetricsEndpoint> {
  const endpoint = await startMetricsEndpoint({ listen: '127.0.0.1:0', registry: createMetrics('coordinator').registry, healthy });
  assert.ok(endpoint !== undefined);
  return endpoint;
}

it('serves the metrics in the form that Prometheus reads', async () => {
  const endpoint = await start();
  const answer = await fetch(`http://${endpoint.address}/metrics?x=1`);
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  assert.match(await answer.text(), /^# HELP golddiff_coordinator_requests_total /m);
  await endpoint.close();
});

it('gives OpenMetrics to whoever asks for it, but only where there are exemplars', async () => {
  const accept = 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5';
  for (const exemplars of [true, false]) {
    const { registry } = createMetrics('shard-worker');
    const endpoint = (await startMetricsEndpoint({ listen: '127.0.0.1:0', registry, healthy: () => true, exemplars }))!;
    const typeOf = async (headers: Record<string, string>): Promise<string> =>
      (await fetch(`http://${endpoint.address}/metrics`, { headers })).headers.get('content-type') ?? '';
    assert.equal((await typeOf({ accept })).startsWith('application/openmetrics-text'), exemplars);
    assert.match(await typeOf({}), /^text\/plain/);
    await endpoint.close();
  }
});

it('answers /healthz by what it is told', async () => {
  let healthy = true;
  const endpoint = await start(() => healthy);
  assert.equal((await fetch(`http://${endpoint.address}/healthz`)).status, 200);
  healthy = false;
  assert.equal((await fetch(`http://${endpoint.address}/healthz`)).status, 503);
  await endpoint.close();
});

it('says on /healthz why it is not ready, where it is told', async () => {
  const settings = { listen: '127.0.0.1:0', registry: createMetrics('shard-worker').registry, healthy: () => false };
  const endpoint = (await startMetricsEndpoint({ ...settings, why: () => '3 of 8 partitions loaded' }))!;
  const answer = await fetch(`http://${endpoint.address}/healthz`);
  assert.deepEqual([answer.status, await answer.text()], [503, '3 of 8 partitions loaded\n']);
  await endpoint.close();
});

it('refuses other paths and methods', async () => {
  const endpoint = await start();
  assert.equal((await fetch(`http://${endpoint.address}/`)).status, 404);
  assert.equal((await fetch(`http://${endpoint.address}/metrics`, { method: 'POST', body: 'x' })).status, 405);
  const head = await fetch(`http://${endpoint.address}/metrics`, { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(await head.text(), '');
  await endpoint.close();
});

it('says which port is in use', async () => {
  const endpoint = await start();
  await assert.rejects(
    startMetricsEndpoint({ listen: endpoint.address, registry: createMetrics('coordinator').registry, healthy: () => true }),
    (error) => error instanceof GolddiffError && error.code === 'ADDRESS_IN_USE' && error.message.includes(endpoint.address),
  );
  await endpoint.close();
});

it('starts nothing where it is off', async () => {
  for (const listen of ['off', undefined])
    assert.equal(await startMetricsEndpoint({ listen, registry: createMetrics('coordinator').registry, healthy: () => true }), undefined);
});

it('closes although a client keeps its connection open', async () => {
  const endpoint = await start();
  await (await fetch(`http://${endpoint.address}/healthz`)).text();
  await endpoint.close();
  await assert.rejects(fetch(`http://${endpoint.address}/healthz`));
});
