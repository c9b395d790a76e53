/** Entry of the algebra thread: one piece of work after another, so that nothing of order D^3 ever runs on the event loop. */

import { availableParallelism } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { invariant } from '../../shared/errors.js';
import { encodeSupportSet } from '../../shared/math/support-set.js';
import type { AlgebraThreadData, AlgebraWork, FromAlgebra, ToAlgebra } from './algebra-messages.js';
import { gaussianFactor, gaussianMean, type GaussianAnswer, type GaussianFactor } from './gaussian-mean.js';
import { localityMask, maskOfInverse } from './locality-mask.js';
import { nativeInverse } from './native-inverse.js';
import { NativeSection } from './native-section.js';

/** Factors kept: a run over ten noise levels with a class or two between. */
const FACTORS_BYTES_MAX = 512 * 1024 * 1024;

invariant(parentPort !== null, 'the algebra thread is started as a worker thread');
const port = parentPort;
/** oldest use first */
const factors = new Map<string, GaussianFactor>();

function factorOf({ key, covariance, ratio }: Extract<AlgebraWork, { kind: 'gaussian' }>): GaussianFactor {
  const name = `${key} ${ratio}`;
  const factor = factors.get(name) ?? gaussianFactor(covariance.covariance, covariance.mean.length, ratio);
  factors.delete(name);
  factors.set(name, factor);
  const kept = Math.max(1, Math.floor(FACTORS_BYTES_MAX / factor.l.byteLength));
  for (const oldest of factors.keys()) {
    if (factors.size <= kept) break;
    factors.delete(oldest);
  }
  return factor;
}

/** Ends this thread alone. */
const end = (): never => process.exit();
const section = new NativeSection((workerData as AlgebraThreadData).section);
const inverse = section.run(() => nativeInverse(availableParallelism(), section.stop), end);

function run(work: AlgebraWork): Uint8Array<ArrayBuffer> | GaussianAnswer {
  if (work.kind === 'locality') {
    const { ratio, threshold } = work;
    const { covariance } = work.covariance;
    if (inverse === undefined) return encodeSupportSet(localityMask(covariance, ratio, threshold));
    const inverted = section.run(() => inverse(covariance, ratio), end);
    return encodeSupportSet(maskOfInverse(covariance, inverted, ratio, threshold));
  }
  return gaussianMean(factorOf(work), work.covariance.mean, work.covariance.covariance, work.x, work.alpha);
}

port.on('message', ({ task, work }: ToAlgebra) => {
  let message: FromAlgebra;
  try {
    message = { task, result: run(work) };
  } catch (thrown) {
    message = { task, failure: thrown instanceof Error ? thrown.message : String(thrown) };
  }
  port.postMessage(message);
});
