/** Flags of every process that reads a data set from wherever it is. */

import { homedir } from 'node:os';
import path from 'node:path';
import type { Option } from 'commander';
import { bytes, flag, integer, text } from '../config.js';
import { DATA_CACHE_BYTES_DEFAULT, DATA_FETCHES_DEFAULT, DATA_FETCHES_MAX } from '../limits.js';

/** Bearer token for web servers that data sets are fetched from. No flag: a command line is for everybody on the machine to see. */
export const DATA_TOKEN_VARIABLE = 'GOLDDIFF_DATA_TOKEN';

export interface DataCacheFlags {
  /** folder of the cache; default: dataCacheDefault() */
  readonly dataCache?: string;
}

export interface DataFetchFlags extends DataCacheFlags {
  readonly dataCacheBytes: number;
  readonly dataFetches: number;
}

/** $XDG_CACHE_HOME/golddiff/data or ~/.cache/golddiff/data. */
export function dataCacheDefault(): string {
  const base = process.env['XDG_CACHE_HOME'];
  return path.join(base === undefined || base === '' ? path.join(homedir(), '.cache') : base, 'golddiff', 'data');
}

/** For a process that needs manifests and what is kept beside them. */
export function dataCacheFlags(): Option[] {
  return [
    flag({
      name: 'data-cache',
      placeholder: 'DIR',
      description:
        'for data that is not in a folder: where this machine keeps it, shared by its processes (default: golddiff/data in the user cache folder)',
      parser: text,
    }),
  ];
}

/** For a process that loads partitions, too. */
export function dataFetchFlags(): Option[] {
  return [
    ...dataCacheFlags(),
    flag({
      name: 'data-cache-bytes',
      placeholder: 'BYTES',
      description: 'what the cache may hold, such as 200Gi; what is in use stays, of the rest the longest unused goes',
      parser: bytes,
      fallback: String(DATA_CACHE_BYTES_DEFAULT),
    }),
    flag({
      name: 'data-fetches',
      placeholder: 'N',
      description: 'partitions that are fetched at once',
      parser: integer(1, DATA_FETCHES_MAX),
      fallback: String(DATA_FETCHES_DEFAULT),
    }),
  ];
}
