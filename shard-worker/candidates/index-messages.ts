/** What the indexes of a worker and their threads tell each other. */

import type { IndexedRows } from './hnsw-index.js';
import type { IndexIdentity } from './index-file.js';

export type ToIndexThread =
  /** look for a saved index; answered by `loaded` or `absent` */
  | { readonly kind: 'load'; readonly key: string; readonly identity: IndexIdentity; readonly folders: readonly string[] }
  /** answered by `progress` now and then, then `built`, and `saved` */
  | {
      readonly kind: 'build';
      readonly key: string;
      readonly identity: IndexIdentity;
      readonly rows: IndexedRows;
      readonly folders: readonly string[];
    }
  /** ends a build of it */
  | { readonly kind: 'drop'; readonly key: string }
  | {
      readonly kind: 'search';
      readonly task: number;
      readonly key: string;
      /** [B, d] pool(x) / alpha */
      readonly points: Float64Array;
      /** [B] rows wanted, 0 = none */
      readonly wanted: Uint32Array;
      /** turns 1 when nobody waits any more */
      readonly cancelled: Int32Array;
    };

export type FromIndexThread =
  | { readonly kind: 'loaded'; readonly key: string; readonly file: string }
  | { readonly kind: 'absent'; readonly key: string; readonly bad: readonly string[] }
  | { readonly kind: 'progress'; readonly key: string; readonly rows: number }
  | { readonly kind: 'built'; readonly key: string; readonly seconds: number }
  | { readonly kind: 'saved'; readonly key: string; readonly file: string; readonly bytes: number }
  /** searches go on with an index that could not be saved; one that could not be built is gone */
  | { readonly kind: 'failed'; readonly key: string; readonly doing: 'load' | 'build' | 'save'; readonly message: string }
  | { readonly kind: 'found'; readonly task: number; readonly lists: readonly Uint32Array[] }
  | { readonly kind: 'refused'; readonly task: number; readonly message: string };
