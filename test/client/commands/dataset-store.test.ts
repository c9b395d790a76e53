import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { listText } from '../../../client/commands/dataset-store.js';
import { writeSmallDataSet } from '../../shared/dataset/small-data-set.js';
import { run as command, type CommandRun } from '../../support/command.js';
import { temporaryFolder } from '../../support/data-sets.js';
import { natsMissing, startNats, type NatsServers } from '../../support/nats-server.js';

let servers: NatsServers | undefined;
after(async () => servers?.dispose());

const run = (...args: string[]): Promise<CommandRun> => command(['dataset', ...args]);

test('push, list and remove of a data set, for people and for machines', { skip: natsMissing ?? false }, async () => {
  servers = await startNats();
  const nats = ['--nats', servers.addresses[0]!];
  const { dir, manifest } = await writeSmallDataSet(
    { name: 'two', shape: [1, 1, 2], values: Uint8Array.of(1, 2, 3, 4), partitions: [[0], [1]] },
    temporaryFolder(),
  );
  assert.deepEqual(await run('list', ...nats), { status: 0, out: 'no data sets\n', err: '' });
  assert.deepEqual(await run('push', dir, ...nats), { status: 0, out: 'object-store:two: 3 files, 0.0 MB\n', err: '' });
  const again = JSON.parse((await run('push', dir, ...nats, '--json')).out) as { bytes: number; bytesThere: number };
  assert.equal(again.bytes, again.bytesThere);
  assert.match(
    (await run('list', ...nats)).out,
    new RegExp(`^\\| two +\\| +2 \\| 1 x 1 x 2 \\| +2 \\| +0.0 \\| ${manifest.contentHash.slice(0, 12)} \\|$`, 'm'),
  );
  assert.equal((await run('list', ...nats, '--cluster-name', 'other')).out, 'no data sets\n');
  assert.deepEqual(await run('remove', 'two', ...nats), { status: 0, out: 'object-store:two is removed\n', err: '' });
  const missing = await run('remove', 'two', ...nats);
  assert.deepEqual(
    [missing.status, missing.err],
    [1, 'Expected the name of a data set in the object store for two but received "one that is not there"\n'],
  );
});

test('bad arguments end with status 2 and one sentence', async () => {
  for (const [args, sentence] of [
    [['push', 'dir'], /^required option '--nats <URL,URL>' not specified\n$/],
    [['list', '--nats', 'a b'], /^Expected nats:\/\/HOST:PORT/],
    [['push', 'dir', '--nats', 'a:1', '--name', 'a/b'], /^Expected the name of a data set: .* for --name but received "a\/b"\n$/],
  ] as const) {
    const { status, err } = await run(...args);
    assert.equal(status, 2, err);
    assert.match(err, sentence);
  }
});

test('a data set that is not whole says what to do', () => {
  assert.match(
    listText([{ name: 'half', files: 1, bytes: 2e6, manifest: undefined }]),
    /\| half .*\| 2\.0 \| not whole: push it again, or remove it \|$/m,
  );
});
