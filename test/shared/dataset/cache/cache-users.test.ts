import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { CacheUser, isAlive, liveUsers } from '../../../../shared/dataset/cache/cache-users.js';
import { temporaryFolder } from '../../../support/data-sets.js';
import { until } from '../../../support/nats-sessions.js';

/** A process that joins and stays. */
async function otherUser(root: string): Promise<{ child: ChildProcess; id: string }> {
  const module = new URL('../../../../shared/dataset/cache/cache-users.js', import.meta.url).href;
  const script = `const { CacheUser } = await import(${JSON.stringify(module)}); const user = await CacheUser.join(${JSON.stringify(root)});
    await user.pin('theirs'); process.stdout.write(user.id); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => child.kill('SIGKILL'));
  const id = await new Promise<string>((resolve) => child.stdout.once('data', (text: Buffer) => resolve(text.toString())));
  return { child, id };
}

const gone = (child: ChildProcess): Promise<unknown> =>
  child.exitCode === null && child.signalCode === null ? new Promise((resolve) => child.once('exit', resolve)) : Promise.resolve();

test('a user is alive from joining to leaving, with what it pins', async () => {
  const root = temporaryFolder();
  const user = await CacheUser.join(root);
  await user.pin('a');
  await user.pin('b');
  await user.unpin('a');
  await user.unpin('never pinned');
  assert.equal(await isAlive(root, user.id), true);
  assert.deepEqual([...(await liveUsers(root))], [[user.id, new Set(['b'])]]);
  await user.leave();
  assert.equal(await isAlive(root, user.id), false);
  assert.deepEqual(await readdir(path.join(root, 'users')), []);
});

test('another process is alive while it is stopped, and dead at once when it is killed; what it left is taken away', async () => {
  const root = temporaryFolder();
  const { child, id } = await otherUser(root);
  try {
    assert.deepEqual([...(await liveUsers(root))], [[id, new Set(['theirs'])]]);
    child.kill('SIGSTOP');
    for (let i = 0; i < 20; i++) assert.equal(await isAlive(root, id), true);
  } finally {
    child.kill('SIGKILL');
  }
  await gone(child);
  await until(async () => !(await isAlive(root, id)), 'it is dead');
  assert.deepEqual([...(await liveUsers(root))], []);
  assert.deepEqual(await readdir(path.join(root, 'users')), []);
});

test(
  'a folder whose path is longer than the address of a socket will do',
  { skip: process.platform === 'linux' ? false : 'Linux only' },
  async () => {
    const root = path.join(temporaryFolder(), 'x'.repeat(120));
    const user = await CacheUser.join(root);
    assert.equal(await isAlive(root, user.id), true);
    assert.equal(await isAlive(root, 'nobody'), false);
    await user.leave();
  },
);

test('one that was killed while it joined is taken away after a minute, not before', async () => {
  const root = temporaryFolder();
  const half = path.join(root, 'users', '.new-1');
  await mkdir(half, { recursive: true });
  await liveUsers(root);
  assert.deepEqual(await readdir(path.join(root, 'users')), ['.new-1']);
  const before = new Date(Date.now() - 120_000);
  await utimes(half, before, before);
  await liveUsers(root);
  assert.deepEqual(await readdir(path.join(root, 'users')), []);
});

test('nobody joins in a folder that cannot be written to', async () => {
  const file = path.join(temporaryFolder(), 'file');
  await writeFile(file, '');
  await assert.rejects(CacheUser.join(file), { code: 'ENOTDIR' });
});
