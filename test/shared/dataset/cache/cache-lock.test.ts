import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { CacheLock } from '../../../../shared/dataset/cache/cache-lock.js';
import { CacheUser } from '../../../../shared/dataset/cache/cache-users.js';
import { temporaryFolder } from '../../../support/data-sets.js';

const never = new AbortController().signal;

test('one at a time within a process, whatever fails', async () => {
  const root = temporaryFolder();
  const user = await CacheUser.join(root);
  const lock = new CacheLock(root, user.id);
  let inside = 0;
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) =>
      lock.run(async () => {
        assert.equal(++inside, 1);
        await new Promise((resolve) => setTimeout(resolve, 1));
        inside--;
        if (i % 3 === 0) throw new Error('no');
        return i;
      }, never),
    ),
  );
  assert.deepEqual(
    results.map(({ status }) => status === 'fulfilled'),
    Array.from({ length: 20 }, (_, i) => i % 3 !== 0),
  );
  assert.ok((await readdir(path.join(root, 'lock'))).length < 16, 'turns of the past go away');
  await user.leave();
});

test('one at a time among processes, some of which are killed within their turn', async (t) => {
  const root = temporaryFolder();
  const counter = path.join(root, 'counter');
  await writeFile(counter, '0');
  const at = (file: string): string => JSON.stringify(new URL(`../../../../shared/dataset/cache/${file}`, import.meta.url).href);
  // Each reads the number and writes the next: without a lock some would be lost. Every third of one kind dies inside, before it writes.
  const script = `const { CacheUser } = await import(${at('cache-users.js')}); const { CacheLock } = await import(${at('cache-lock.js')});
    const { readFile, writeFile } = await import('node:fs/promises');
    const user = await CacheUser.join(${JSON.stringify(root)}); const lock = new CacheLock(${JSON.stringify(root)}, user.id);
    for (let i = 0; i < 25; i++) await lock.run(async () => {
      const n = Number(await readFile(${JSON.stringify(counter)}, 'utf8'));
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
      if (process.argv[1] === 'dies' && i === 10) process.kill(process.pid, 'SIGKILL');
      await writeFile(${JSON.stringify(counter)}, String(n + 1));
    }, new AbortController().signal);
    await user.leave();`;
  const start = performance.now();
  const ends = await Promise.all(
    ['lives', 'dies', 'lives', 'dies'].map((kind) => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script, kind], { stdio: ['ignore', 'ignore', 'inherit'] });
      process.once('exit', () => child.kill('SIGKILL'));
      return new Promise<string>((resolve) => child.once('exit', (code, signal) => resolve(`${kind} ${code ?? signal}`)));
    }),
  );
  assert.deepEqual(ends, ['lives 0', 'dies SIGKILL', 'lives 0', 'dies SIGKILL']);
  assert.equal(Number(await readFile(counter, 'utf8')), 25 + 10 + 25 + 10);
  t.diagnostic(`70 turns of four processes, two of them killed, in ${Math.round(performance.now() - start)} ms`);
});

test('a holder that lives and does not go on loses its turn after a while, and cannot free that of its follower', async () => {
  const root = temporaryFolder();
  const [slow, quick] = await Promise.all([CacheUser.join(root), CacheUser.join(root)]);
  let wake: () => void = () => {};
  let held: Promise<void> = Promise.resolve();
  await new Promise<void>((inside) => {
    held = new CacheLock(root, slow.id).run(() => new Promise<void>((resolve) => ((wake = resolve), inside())), never);
  });
  const order: string[] = [];
  const follower = new CacheLock(root, quick.id, 100).run(async () => {
    order.push('follower in');
    wake();
    await held;
    // A third does not get in while the follower is at it.
    await assert.rejects(new CacheLock(root, 'third').run(() => Promise.resolve(order.push('third in')), AbortSignal.timeout(200)));
    order.push('follower out');
  }, never);
  await follower;
  assert.deepEqual(order, ['follower in', 'follower out']);
  await Promise.all([slow.leave(), quick.leave()]);
});

test('a late comer does not take a turn that is long past', async () => {
  const root = temporaryFolder();
  const [live, late] = await Promise.all([CacheUser.join(root), CacheUser.join(root)]);
  await mkdir(path.join(root, 'lock'));
  await symlink(live.id, path.join(root, 'lock', '40'));
  await assert.rejects(
    new CacheLock(root, late.id).run(() => Promise.resolve(), AbortSignal.timeout(100)),
    { name: 'TimeoutError' },
  );
  assert.deepEqual(await readdir(path.join(root, 'lock')), ['40']);
  await live.leave();
  assert.equal(await new CacheLock(root, late.id).run(() => Promise.resolve('in'), never), 'in');
  await late.leave();
});
