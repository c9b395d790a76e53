/**
 * A process that takes files through a data cache, for tests of what several do to one: `node cache-process.js SETTINGS` with JSON settings. Prints a line of JSON for
 * each file that it has, then holds them until its stdin ends, lets them go and leaves.
 */

import { DataCache, type WantedFile } from '../../shared/dataset/cache/data-cache.js';
import { dataLocation, type HttpLocation } from '../../shared/dataset/sources/data-location.js';
import { fetchFile } from '../../shared/dataset/sources/fetch-file.js';
import { HttpSource } from '../../shared/dataset/sources/http-source.js';
import { createLogger } from '../../shared/log.js';

export interface CacheProcessSettings {
  readonly dir: string;
  readonly bytesMax: number;
  readonly url: string;
  readonly files: readonly (WantedFile & { readonly name: string })[];
}

const { dir, bytesMax, url, files } = JSON.parse(process.argv[2] ?? '') as CacheProcessSettings;
const log = createLogger('cache-process', 'silent');
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const never = new AbortController().signal;
const outcomes: string[] = [];
let fetched = 0;
const cache = await DataCache.open({ dir, bytesMax, log, onOutcome: (outcome) => void outcomes.push(outcome) });
const source = new HttpSource(dataLocation(url, 'url') as HttpLocation);
say({ ready: true });
const taken = await Promise.all(
  files.map(async (file) => {
    const got = await cache.take(
      file,
      (part, makeRoom) => {
        say({ begins: file.name, at: part.offset });
        return fetchFile(file, part, { source, log, backoffMs: 5, onBytes: (bytes) => void (fetched += bytes) }, never, makeRoom);
      },
      never,
    );
    say({ has: file.name });
    return got;
  }),
);
say({ done: true, fetched, outcomes });
await new Promise((resolve) => process.stdin.once('end', resolve).resume());
for (const file of taken) await file.release();
await cache.close();
