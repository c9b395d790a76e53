import assert from 'node:assert/strict';
import { NatsArtifacts } from '../../../../shared/control-plane/nats/artifacts.js';
import { encodeDocument } from '../../../../shared/control-plane/nats/codec.js';
import { NatsJobs } from '../../../../shared/control-plane/nats/jobs.js';
import { NatsSession } from '../../../../shared/control-plane/nats/session.js';
import { JOB_TAKE_WAIT_MS } from '../../../../shared/limits.js';
import { startNats } from '../../../support/nats-server.js';
import { natsTest } from '../../../support/nats-sessions.js';

const LEASE_MS = 3_000;
const jobsOf = async (session: NatsSession): Promise<NatsJobs> => NatsJobs.open(session, await NatsArtifacts.open(session));

natsTest('a request of megabytes goes beside the queue, and comes back whole', async (open) => {
  const jobs = await jobsOf(await open());
  const payload = Uint8Array.from({ length: 3_000_000 }, (_, i) => i * 7);
  await jobs.submit('large', payload);
  assert.deepEqual((await jobs.submit('large', new Uint8Array([1]))).payload, payload);
  const other = await jobsOf(await open());
  assert.deepEqual((await other.take(LEASE_MS, 5))?.job.payload, payload);
  for (const j of [jobs, other]) j.close();
});

natsTest('a submission that died between message and record is a job all the same', async (open) => {
  const session = await open();
  const jobs = await jobsOf(session);
  const ticket = { jobId: 'half', submittedUnixMs: 7, payload: 'AQ==' };
  await session.streams.publish(session.name('queue'), encodeDocument(ticket), { msgID: 'half' });
  assert.equal(await jobs.get('half'), undefined);
  const again = await jobs.submit('half', new Uint8Array([1]));
  assert.equal(again.state, 'queued');
  const lease = await jobs.take(LEASE_MS, 5);
  assert.deepEqual([lease?.job.jobId, lease?.job.payload], ['half', new Uint8Array([1])]);
  assert.equal(await jobs.take(LEASE_MS, 5), undefined, 'the two messages are one');
  jobs.close();
});

natsTest('a taker that died between the end of a job and its acknowledgement does not have it done again', async (open) => {
  const session = await open();
  const jobs = await jobsOf(session);
  await jobs.submit('j', new Uint8Array([1]));
  const lease = await jobs.take(1_000, 5);
  assert.equal(await lease?.progress(new Uint8Array([9])), true);
  await jobs.cancel('j');
  assert.equal(await jobs.take(1_000, 5), undefined);
  assert.equal(await jobs.take(1_000, 5), undefined, 'its message came again and was put away');
  const { state } = await session.manager.streams.info(session.name('queue'));
  assert.equal(state.messages, 0);
  jobs.close();
});

natsTest('a job that is given up leaves a dead letter with the reason', async (open) => {
  const jobs = await jobsOf(await open());
  assert.deepEqual(await jobs.deadLetters(), []);
  await jobs.submit('poison', new Uint8Array([1]));
  for (let i = 0; i < 2; i++) await (await jobs.take(LEASE_MS, 2))?.release();
  assert.equal(await jobs.take(LEASE_MS, 2), undefined);
  assert.deepEqual(await jobs.deadLetters(), [{ jobId: 'poison', deliveries: 2, reason: 'The job was taken up 2 times and never ended' }]);
  assert.equal((await jobs.get('poison'))?.state, 'failed');
  jobs.close();
});

natsTest('a server that keeps still for longer than a look for work waits is asked again', async () => {
  const nats = await startNats();
  try {
    const session = await NatsSession.open({ servers: nats.addresses, namespace: 'still', replicas: 1, clientName: 'test' });
    const jobs = await jobsOf(session);
    await jobs.submit('j', new Uint8Array([1]));
    await (await jobs.take(LEASE_MS, 5))?.release();
    const server = nats.servers[0]!.process;
    server.kill('SIGSTOP');
    setTimeout(() => server.kill('SIGCONT'), 2 * JOB_TAKE_WAIT_MS);
    assert.equal((await jobs.take(LEASE_MS, 5))?.job.jobId, 'j');
    jobs.close();
    await session.close();
  } finally {
    await nats.dispose();
  }
});
