import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import path from 'node:path';
import { describe, it } from 'node:test';
import { credentials, loadPackageDefinition, setLogger, status as GrpcStatus, type Client, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { protoPath as healthProtoPath } from 'grpc-health-check';
import { GolddiffError } from '../../../shared/errors.js';
import { bidi, serverStream, unary, type CallContext } from '../../../shared/rpc/handlers.js';
import { LIVE_SERVICE, startGrpcServer } from '../../../shared/rpc/grpc-server.js';
import { collectingLogger, MESSAGE_BYTES_MAX, serve, type ServerUnderTest } from './server-under-test.js';

interface HealthClient extends Client {
  check(request: { service: string }, callback: (error: ServiceError | null, answer?: { status: string }) => void): void;
  watch(request: { service: string }): NodeJS.EventEmitter & { cancel(): void };
}

function healthClient(address: string): HealthClient {
  const loaded = loadPackageDefinition(loadSync(healthProtoPath, { enums: String, defaults: true })) as unknown as {
    grpc: { health: { v1: { Health: new (...args: unknown[]) => HealthClient } } };
  };
  return new loaded.grpc.health.v1.Health(address, credentials.createInsecure());
}

function check(client: HealthClient, service: string): Promise<string> {
  return new Promise((resolve, reject) =>
    client.check({ service }, (error, answer) => (error === null ? resolve(answer?.status ?? '') : reject(error))),
  );
}

function get(under: ServerUnderTest): Promise<unknown> {
  return new Promise((resolve, reject) => under.dataset.get({}, (error, value) => (error === null ? resolve(value) : reject(error))));
}

const untilAborted = (context: CallContext): Promise<never> =>
  new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason as Error)));

describe('health', () => {
  it('answers for the server as a whole and for each service, and not for others', async () => {
    const under = await serve({ dataset: { Get: unary(async () => ({})) }, score: {} });
    const client = healthClient(under.server.address);
    for (const name of ['', 'golddiff.v1.DatasetService', 'golddiff.v1.ScoreService']) assert.equal(await check(client, name), 'SERVING');
    await assert.rejects(check(client, 'golddiff.v1.JobService'), { code: GrpcStatus.NOT_FOUND });
    under.server.setServing(false);
    for (const name of ['', 'golddiff.v1.ScoreService']) assert.equal(await check(client, name), 'NOT_SERVING');
    assert.equal(await check(client, LIVE_SERVICE), 'SERVING', 'a process out of service is alive');
    under.server.setServing(true);
    assert.equal(await check(client, ''), 'SERVING');
    client.close();
    under.close();
  });

  it('tells watchers that it drains before it stops, and does not wait for them', async () => {
    const under = await serve({ dataset: { Get: unary(async () => ({})) } });
    const client = healthClient(under.server.address);
    const watch = client.watch({ service: '' });
    const seen: string[] = [];
    watch.on('error', () => {});
    watch.on('data', ({ status }: { status: string }) => seen.push(status));
    await once(watch, 'data');
    assert.equal(await under.server.drain(10_000), true);
    assert.deepEqual(seen, ['SERVING', 'NOT_SERVING']);
    client.close();
    under.close();
  });
});

describe('reflection', () => {
  interface ReflectionAnswer {
    listServicesResponse?: { service: { name: string }[] };
    fileDescriptorResponse?: { fileDescriptorProto: Buffer[] };
  }
  interface ReflectionClient extends Client {
    serverReflectionInfo(): NodeJS.EventEmitter & { write(request: object): void; end(): void };
  }
  // The package keeps its proto files beside its code and does not export their path.
  const require = createRequire(import.meta.url);
  const folder = path.join(path.dirname(require.resolve('@grpc/reflection/package.json')), 'build', 'proto');

  async function ask(address: string, version: 'v1' | 'v1alpha', request: object): Promise<ReflectionAnswer> {
    const loaded = loadPackageDefinition(loadSync(path.join(folder, 'grpc', 'reflection', version, 'reflection.proto'))) as unknown as {
      grpc: { reflection: Record<string, { ServerReflection: new (...args: unknown[]) => ReflectionClient }> };
    };
    const Reflection = loaded.grpc.reflection[version]?.ServerReflection;
    assert.ok(Reflection !== undefined);
    const client = new Reflection(address, credentials.createInsecure());
    const call = client.serverReflectionInfo();
    call.write(request);
    const [answer] = (await once(call, 'data')) as [ReflectionAnswer];
    const ended = once(call, 'end');
    call.end();
    await ended;
    client.close();
    return answer;
  }

  for (const version of ['v1', 'v1alpha'] as const) {
    it(`lists the services and gives their files with the fields' own names (${version})`, async () => {
      const under = await serve({ score: {} });
      const { listServicesResponse } = await ask(under.server.address, version, { listServices: '' });
      const names = listServicesResponse?.service.map(({ name }) => name) ?? [];
      assert.deepEqual(names, ['golddiff.v1.ScoreService']);
      const { fileDescriptorResponse } = await ask(under.server.address, version, { fileContainingSymbol: 'golddiff.v1.ScoreService' });
      const files = Buffer.concat(fileDescriptorResponse?.fileDescriptorProto ?? []).toString('latin1');
      for (const name of ['ScoreRequest', 'data_set', 'log_evidence', 'DDPM_LINEAR']) assert.ok(files.includes(name), name);
      under.close();
    });
  }
});

describe('limits', () => {
  it('answers a request over the limit with RESOURCE_EXHAUSTED and serves the next', async () => {
    const under = await serve({ dataset: { Get: unary(async () => ({ name: 'x' })) } });
    const tooLong = new Promise((resolve, reject) =>
      under.dataset.get({ name: 'x'.repeat(MESSAGE_BYTES_MAX + 1) }, (error, value) => (error === null ? resolve(value) : reject(error))),
    );
    await assert.rejects(tooLong, { code: GrpcStatus.RESOURCE_EXHAUSTED });
    await get(under);
    under.close();
  });

  it('answers with RESOURCE_EXHAUSTED where the answer itself is over the limit', async () => {
    const under = await serve({ dataset: { Get: unary(async () => ({ name: 'x'.repeat(MESSAGE_BYTES_MAX + 1) })) } });
    await assert.rejects(get(under), { code: GrpcStatus.RESOURCE_EXHAUSTED });
    under.close();
  });
});

describe('listening', () => {
  it('says which port is in use, and nothing says so beside it', async () => {
    const printed: unknown[][] = [];
    setLogger({ error: (...words: unknown[]) => void printed.push(words) });
    const under = await serve({});
    await assert.rejects(
      startGrpcServer({ listen: under.server.address, services: [], log: collectingLogger([]), messageBytesMax: 1_000 }),
      (error) => error instanceof GolddiffError && error.code === 'ADDRESS_IN_USE' && error.message.includes(under.server.address),
    );
    under.close();
    assert.deepEqual(printed, []);
  });

  it('refuses an address of another machine', async () => {
    // 192.0.2.0/24 is set aside for documents: no machine has it.
    await assert.rejects(startGrpcServer({ listen: '192.0.2.1:0', services: [], log: collectingLogger([]), messageBytesMax: 1_000 }), {
      code: 'ARGUMENT_INVALID',
    });
  });

  it('gives the address with the port that it took', async () => {
    const under = await serve({});
    assert.match(under.server.address, /^127\.0\.0\.1:[1-9]\d+$/);
    under.close();
  });
});

describe('drain', () => {
  it('lets calls under way end, and takes no new ones', async () => {
    let finish: () => void = () => {};
    const gate = new Promise<void>((resolve) => (finish = resolve));
    let started: () => void = () => {};
    const running = new Promise<void>((resolve) => (started = resolve));
    const under = await serve({
      dataset: {
        Get: unary(async () => {
          started();
          await gate;
          return { name: 'done' };
        }),
      },
    });
    const slow = get(under);
    await running;
    const drained = under.server.drain(10_000);
    setTimeout(finish, 50);
    assert.deepEqual(((await slow) as { name: string }).name, 'done');
    assert.equal(await drained, true);
    assert.equal(under.server.openCalls, 0);
    await assert.rejects(get(under), { code: GrpcStatus.UNAVAILABLE });
    under.close();
  });

  it('asks endless streams to end by the draining signal', async () => {
    const under = await serve({
      score: {
        ScoreStream: bidi(async (_requests, { draining }) => {
          await new Promise<void>((resolve) => draining.addEventListener('abort', () => resolve()));
        }),
      },
    });
    const call = under.score.scoreStream();
    call.on('data', () => {});
    await once(call, 'metadata');
    assert.equal(under.server.openCalls, 1);
    const ended = once(call, 'end');
    assert.equal(await under.server.drain(10_000), true);
    await ended;
    under.close();
  });

  it('cuts what is left after the timeout', async () => {
    const under = await serve({ sampling: { Sample: serverStream(async (_request, context) => untilAborted(context)) } });
    const call = under.sampling.sample({});
    call.on('data', () => {});
    await once(call, 'metadata');
    const failed = once(call, 'error');
    assert.equal(await under.server.drain(50), false);
    const [error] = (await failed) as [ServiceError];
    assert.ok([GrpcStatus.UNAVAILABLE, GrpcStatus.CANCELLED].includes(error.code), `status ${error.code}`);
    under.close();
  });

  it('ends at once when nothing is under way', async () => {
    const under = await serve({});
    assert.equal(await under.server.drain(60_000), true);
  });
});

it('reports each call that ends, with its method and code', async () => {
  const ends: { method: string; code: GrpcStatus; seconds: number }[] = [];
  let fail = false;
  const handler = unary(async () => {
    if (fail) throw new GolddiffError('DATA_SET_UNKNOWN', 'No data set of that name');
    return {};
  });
  const under = await serve({ dataset: { Get: handler } }, { onCallEnd: (end) => ends.push(end) });
  await get(under);
  fail = true;
  await assert.rejects(get(under));
  assert.deepEqual(
    ends.map(({ method, code }) => [method, code]),
    [
      ['DatasetService/Get', GrpcStatus.OK],
      ['DatasetService/Get', GrpcStatus.NOT_FOUND],
    ],
  );
  assert.ok(ends.every(({ seconds }) => seconds >= 0 && seconds < 10));
  under.close();
});
