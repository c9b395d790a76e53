import assert from 'node:assert/strict';
import { rename, rm, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { EMOJI_SETS, emojiKey, openEmojiSource } from '../../../client/import/emoji-source.js';
import { importDataSet } from '../../../client/import/import-data-set.js';
import { GolddiffError } from '../../../shared/errors.js';
import { temporaryFolder } from '../../support/data-sets.js';
import { writeEmojiPackages } from './emoji-packages.js';
import { readAll } from './source-files.js';

const COLOUR_32 = { sizePixels: 32, channels: 'rgb' } as const;

async function packages(): Promise<string> {
  const dir = temporaryFolder();
  await writeEmojiPackages(dir);
  return dir;
}

test('the sets are rows one after the other, each file by its name, files of the same bytes once, in Unicode groups', async () => {
  const source = await openEmojiSource({ dir: await packages(), ...COLOUR_32 });
  assert.deepEqual([source.rows, source.shape, source.dtype, source.defaultName], [10, [3, 32, 32], 'u8', 'emoji']);
  assert.deepEqual(source.classNames, ['Smileys & Emotion', 'People & Body', 'Symbols', 'Flags', 'Other']);
  const { values, labels } = await readAll(source);
  const reds = Array.from({ length: 10 }, (_, row) => values[row * 3 * 1024]);
  assert.deepEqual(reds, [40, 30, 20, 10, 130, 140, 120, 110, 240, 230], 'file names in order, the second of two equal flags left out');
  assert.deepEqual(labels, [3, 1, 1, 0, 2, 3, 1, 0, 4, 2], 'skin tones belong to their emoji, an emoji without a group to Other');
  assert.deepEqual([values[1024], values[2048]], [60, 90], 'planes of red, green, blue');
});

test('the identity is that of the contents: another cache is the same source, another image is not', async () => {
  const dir = await packages();
  const identity = async (): Promise<string> => JSON.stringify((await openEmojiSource({ dir, ...COLOUR_32 })).identity);
  const before = await identity();
  const file = path.join(dir, 'emoji-datasource-google/img/google/64/1f600.png');
  await utimes(file, 1, 1);
  assert.equal(await identity(), before);
  await rename(file, file.replace('1f600', '1f601'));
  assert.notEqual(await identity(), before);
});

test('it imports like any source, in grey and in another size too', async () => {
  const dir = await packages();
  const out = path.join(temporaryFolder(), 'emoji');
  const { manifest } = await importDataSet({ source: `emoji:${dir}`, out, partitions: 2, size: 8, channels: 'grey' });
  assert.deepEqual([manifest.rows, manifest.shape, manifest.classes.length], [10, [1, 8, 8], 5]);
  const colour = await importDataSet({ source: `emoji:${dir}`, out, force: true });
  assert.deepEqual(colour.manifest.shape, [3, 32, 32]);
  assert.match(colour.manifest.source, /^emoji \(32 x 32, rgb; from /);
});

test('packages that are in the cache are used without npm, and npm is asked only for what is missing', async () => {
  const dir = await packages();
  const cacheDir = temporaryFolder();
  for (const { name, version } of EMOJI_SETS) await rename(path.join(dir, name), path.join(cacheDir, `${name}@${version}`.replace('/', '+')));
  const told: string[] = [];
  const pack = async (spec: string): Promise<string> => {
    throw new GolddiffError('NOT_FOUND', `no network for ${spec}`);
  };
  const options = { ...COLOUR_32, cacheDir, pack, onFetch: (done: number, total: number, name: string) => told.push(`${done}/${total} ${name}`) };
  assert.equal((await openEmojiSource(options)).rows, 10);
  assert.deepEqual(told, ['0/3 emoji-datasource-google@16.0.0', '1/3 emoji-datasource-twitter@16.0.0', '2/3 @lobehub/fluent-emoji-3d@1.1.0', '3/3 ']);
  await rm(path.join(cacheDir, 'emoji-datasource-twitter@16.0.0'), { recursive: true });
  await assert.rejects(openEmojiSource(options), {
    code: 'NOT_FOUND',
    message: /^no network for emoji-datasource-twitter@16\.0\.0; where npm reaches no registry, bring the folders .* as emoji:DIR$/,
  });
});

test('a folder without the images, or with a catalogue that is none, is refused by name', async () => {
  const dir = await packages();
  await rm(path.join(dir, '@lobehub/fluent-emoji-3d/assets/a9-fe0f.webp'));
  await rm(path.join(dir, '@lobehub/fluent-emoji-3d/assets/1f9ff.webp'));
  await assert.rejects(openEmojiSource({ dir, ...COLOUR_32 }), { code: 'FILE_INVALID', message: /fluent-emoji-3d.assets but received "none"/ });
  await writeFile(path.join(dir, 'emoji-datasource-google/emoji.json'), '{');
  await assert.rejects(openEmojiSource({ dir, ...COLOUR_32 }), { code: 'FILE_INVALID', message: /the list of emoji for .*emoji\.json/ });
  await assert.rejects(openEmojiSource({ dir: path.join(dir, 'none'), ...COLOUR_32 }), { code: 'FILE_INVALID', message: /"ENOENT"/ });
});

test('names of one emoji in different sets have one key', () => {
  assert.equal(emojiKey('00A9-FE0F'), emojiKey('a9-fe0f'));
  assert.equal(emojiKey('1F3F4-E0067-E0062-E007F'), emojiKey('1f3f4-e0067_e0062'));
  assert.notEqual(emojiKey('1f44b'), emojiKey('1f44b-1f3fb'));
});

test('only the images, the catalogue and the legal files of a package are kept', () => {
  const [google] = EMOJI_SETS;
  const kept = ['img/google/64/1f600.png', 'emoji.json', 'LICENSE', 'package.json', 'img/google/sheets/64.png', 'emoji_pretty.json'];
  assert.deepEqual(
    kept.filter((file) => google!.keep(file)),
    kept.slice(0, 4),
  );
});
