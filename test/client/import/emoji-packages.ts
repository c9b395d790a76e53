/** The three emoji packages in their own layout, made small by the tests that read them. */

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import sharp from 'sharp';
import { EMOJI_SETS } from '../../../client/import/emoji-source.js';

async function icon(red: number, format: 'png' | 'webp', pixels: number): Promise<Buffer> {
  const picture = sharp({ create: { width: pixels, height: pixels, channels: 4, background: { r: red, g: 60, b: 90, alpha: 1 } } });
  return format === 'png' ? picture.png().toBuffer() : picture.webp({ lossless: true }).toBuffer();
}

const CATALOGUE = [
  { unified: '1F600', category: 'Smileys & Emotion' },
  { unified: '1F44B', category: 'People & Body', skin_variations: { '1F3FB': { unified: '1F44B-1F3FB' } } },
  { unified: '00A9-FE0F', category: 'Symbols' },
  { unified: '1F1E7-1F1FB', category: 'Flags' },
];

/** 5 + 4 + 2 files, of which two flags of the first set are the same: 10 rows. Red tells them apart. */
export async function writeEmojiPackages(dir: string): Promise<void> {
  const sets: [string, 'png' | 'webp', number, [string, number][]][] = [
    [
      'emoji-datasource-google',
      'png',
      64,
      [
        ['1f600', 10],
        ['1f44b', 20],
        ['1f44b-1f3fb', 30],
        ['1f1e7-1f1fb', 40],
        ['1f1f3-1f1f4', 40],
      ],
    ],
    [
      'emoji-datasource-twitter',
      'png',
      64,
      [
        ['1f600', 110],
        ['1f44b', 120],
        ['00a9-fe0f', 130],
        ['1f1e7-1f1fb', 140],
      ],
    ],
    [
      '@lobehub/fluent-emoji-3d',
      'webp',
      256,
      [
        ['a9-fe0f', 230],
        ['1f9ff', 240],
      ],
    ],
  ];
  for (const [name, format, pixels, files] of sets) {
    const images = path.join(dir, name, EMOJI_SETS.find((set) => set.name === name)!.images);
    await mkdir(images, { recursive: true });
    for (const [file, red] of files) await writeFile(path.join(images, `${file}.${format}`), await icon(red, format, pixels));
    await writeFile(path.join(dir, name, 'emoji.json'), JSON.stringify(CATALOGUE));
  }
}
