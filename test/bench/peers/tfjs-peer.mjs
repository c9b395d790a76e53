// A rival of the native engine as a process: the exact optimal step in TensorFlow.js on its wasm backend, two float32 matrix products with a softmax
// between. Argument: a folder whose node_modules hold @tensorflow/tfjs-core and @tensorflow/tfjs-backend-wasm. Requests and answers as in peer.py.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';

const folder = process.argv[2] ?? '.';
const load = createRequire(path.resolve(folder, 'package.json'));
const tf = load('@tensorflow/tfjs-core');
const wasm = load('@tensorflow/tfjs-backend-wasm');
wasm.setWasmPaths(path.join(path.dirname(load.resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'wasm-out/'));
await tf.setBackend('wasm');
await tf.ready();

const NPY_LENGTH_AT = 8;
const sets = new Map();

/** Values of a u1 or f4 .npy file written by the bench. */
function readValues(file) {
  const bytes = readFileSync(file);
  const offset = NPY_LENGTH_AT + 2 + bytes.readUInt16LE(NPY_LENGTH_AT);
  const header = bytes.toString('latin1', 10, offset);
  const shape = /\(([\d, ]+)\)/
    .exec(header)[1]
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(Number);
  const body = bytes.buffer.slice(bytes.byteOffset + offset, bytes.byteOffset + bytes.length);
  return { shape, values: header.includes("'<f4'") ? new Float32Array(body) : new Uint8Array(body) };
}

const operations = {
  describe: () => ({ library: `tfjs-${tf.getBackend()}`, version: tf.version_core, threads: 1 }),
  load({ set, file, rows }) {
    const { shape, values } = readValues(file);
    const n = rows === 0 ? shape[0] : Math.min(rows, shape[0]);
    const floats = Float32Array.from(values.subarray(0, n * shape[1]), (u) => u / 127.5 - 1);
    const norms = Float32Array.from({ length: n }, (_, i) => floats.subarray(i * shape[1], (i + 1) * shape[1]).reduce((sum, v) => sum + v * v, 0));
    sets.set(set, { rows: tf.tensor2d(floats, [n, shape[1]]), norms: tf.tensor1d(norms) });
    return { rows: n, bytes: floats.byteLength };
  },
  drop({ set }) {
    tf.dispose(sets.get(set));
    sets.delete(set);
    return {};
  },
  async exact({ set, queries, batch, alpha, sigma, repeats, budgetMs, wantAnswer }) {
    const { rows, norms } = sets.get(set);
    const { shape, values } = readValues(queries);
    const x = tf.tensor2d(values.subarray(0, batch * shape[1]), [batch, shape[1]]);
    const step = () =>
      tf.tidy(() => {
        const logits = tf.sub(tf.matMul(tf.mul(x, alpha / sigma ** 2), rows, false, true), tf.mul(norms, alpha ** 2 / (2 * sigma ** 2)));
        return tf.matMul(tf.softmax(logits), rows);
      });
    const times = [];
    let x0hat = [];
    for (let i = 0; i < Math.max(2, repeats + 1); i++) {
      const started = performance.now();
      const answer = step();
      const out = await answer.data();
      const tookMs = performance.now() - started;
      // The first one is the warm-up.
      if (i > 0) times.push(tookMs);
      if (i === 0 && wantAnswer) x0hat = [...out];
      answer.dispose();
      if (times.reduce((sum, ms) => sum + ms, 0) >= budgetMs) break;
    }
    x.dispose();
    return { times, layout: '[B, N]', ...(wantAnswer && { x0hat }) };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let reply;
  try {
    const operation = operations[request.op];
    if (operation === undefined) throw new Error(`this rival does not do ${request.op}`);
    reply = { ok: true, ...(await operation(request)) };
  } catch (error) {
    reply = { ok: false, message: String(error?.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
