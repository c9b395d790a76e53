/**
 * Entry of an index thread: builds, loads and searches the indexes of some partitions. A build goes in slices of some milliseconds, so that searches of
 * the other indexes of this thread wait for no more than one.
 */

import { parentPort, workerData } from 'node:worker_threads';
import { invariant } from '../../shared/errors.js';
import { INDEX_BUILD_SLICE_MS, INDEX_PROGRESS_ROWS } from '../../shared/limits.js';
import { proxyGeometry } from '../../shared/math/proxy.js';
import type { HnswIndex, IndexedRows } from './hnsw-index.js';
import { findIndexFile, saveIndexFile, type IndexIdentity } from './index-file.js';
import { BUSY, STOPPING, type FromIndexThread, type IndexThreadSettings, type ToIndexThread } from './index-messages.js';

invariant(parentPort !== null, 'an index thread is started as a worker thread');
const port = parentPort;
const { state } = workerData as IndexThreadSettings;
const stops = (): boolean => Atomics.load(state, STOPPING) !== 0;
const indexes = new Map<string, HnswIndex>();
/** what each key stands for at present: a drop, or a new build, ends what went on before */
const wishes = new Map<string, object>();

function send(message: FromIndexThread, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

/** Every call of the library goes through here; see IndexThreadSettings. */
function inLibrary<T>(call: () => T): T {
  Atomics.store(state, BUSY, 1);
  try {
    if (stops()) throw new Error('the worker stops');
    return call();
  } finally {
    Atomics.store(state, BUSY, 0);
    Atomics.notify(state, BUSY);
  }
}

/** The addon is loaded at the first use, so that one that was not built is told like any other failure. */
const library = async () => import('./hnsw-index.js');

async function load(key: string, identity: IndexIdentity, folders: readonly string[]): Promise<void> {
  const wish = {};
  wishes.set(key, wish);
  const { HnswIndex } = await library();
  const bad: string[] = [];
  const file = await findIndexFile(folders, identity, (reason) => bad.push(reason));
  if (file !== undefined) {
    try {
      if (wishes.get(key) !== wish) return;
      const index = inLibrary(() => HnswIndex.load(file, identity.rows, identity.proxyValues));
      indexes.set(key, index);
      send({ kind: 'loaded', key, file });
      return;
    } catch (thrown) {
      bad.push(`${file}: ${messageOf(thrown)}`);
    }
  }
  if (wishes.get(key) === wish) send({ kind: 'absent', key, bad });
}

async function build(key: string, identity: IndexIdentity, rows: IndexedRows, folders: readonly string[]): Promise<void> {
  const wish = {};
  wishes.set(key, wish);
  const { HnswIndex, proxyPoint } = await library();
  const geometry = proxyGeometry(rows.shape, identity.resolution);
  const index = inLibrary(() => HnswIndex.empty(rows.rows, geometry.values));
  const scratch = new Float64Array(geometry.values);
  const startedMs = performance.now();
  let told = 0;
  while (index.count < rows.rows) {
    const sliceMs = performance.now();
    while (index.count < rows.rows && performance.now() - sliceMs < INDEX_BUILD_SLICE_MS) {
      const point = proxyPoint(rows, index.count, geometry, scratch);
      inLibrary(() => index.add(point));
    }
    if (index.count - told >= INDEX_PROGRESS_ROWS) send({ kind: 'progress', key, rows: (told = index.count) });
    await new Promise((resolve) => setImmediate(resolve));
    if (stops() || wishes.get(key) !== wish) return;
  }
  indexes.set(key, index);
  send({ kind: 'built', key, seconds: (performance.now() - startedMs) / 1000 });
  try {
    const saved = await saveIndexFile(folders, identity, (file) => inLibrary(() => index.save(file)));
    send({ kind: 'saved', key, ...saved });
  } catch (thrown) {
    send({ kind: 'failed', key, doing: 'save', message: messageOf(thrown) });
  }
}

function search({ task, key, points, wanted, cancelled }: Extract<ToIndexThread, { kind: 'search' }>): void {
  const index = indexes.get(key);
  if (!index) return send({ kind: 'refused', task, message: 'its index was dropped' });
  const d = index.proxyValues;
  const lists: Uint32Array<ArrayBuffer>[] = [];
  for (let b = 0; b < wanted.length; b++) {
    if (stops() || Atomics.load(cancelled, 0) !== 0) return send({ kind: 'refused', task, message: 'the step was closed' });
    const point = [...points.subarray(b * d, (b + 1) * d)];
    lists.push(new Uint32Array(inLibrary(() => index.search(point, wanted[b]!))));
  }
  send(
    { kind: 'found', task, lists },
    lists.map((list) => list.buffer),
  );
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

port.on('message', (message: ToIndexThread) => {
  if (message.kind === 'stop') return port.close();
  if (stops()) return;
  const { kind, key } = message;
  switch (kind) {
    case 'load':
    case 'build': {
      const { identity, folders } = message;
      const work = kind === 'load' ? load(key, identity, folders) : build(key, identity, message.rows, folders);
      work.catch((thrown: unknown) => send({ kind: 'failed', key, doing: kind, message: messageOf(thrown) }));
      break;
    }
    case 'drop':
      wishes.delete(key);
      indexes.delete(key);
      break;
    case 'search':
      try {
        search(message);
      } catch (thrown) {
        send({ kind: 'refused', task: message.task, message: messageOf(thrown) });
      }
      break;
  }
});
