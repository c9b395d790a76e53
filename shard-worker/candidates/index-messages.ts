/** What the indexes of a worker and their threads tell each other. */

import type { IndexedRows } from './hnsw-index.js';
import type { IndexIdentity } from './index-file.js';

/**
 * A thread that is ended from outside while it is in the library takes the process with it. So it is asked to end, and a process that cannot wait for that
 * waits until it is out of the library: the thread enters by BUSY = 1 and then leaves at once where STOPPING is 1.
 */
export interface IndexThreadSettings {
  /** shared; the two numbers below */
  readonly state: Int32Array;
}
export const STOPPING = 0;
export const BUSY = 1;

export type ToIndexThread =
  /** ends the thread, once STOPPING is 1 */
  | { readonly kind: 'stop' }
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
