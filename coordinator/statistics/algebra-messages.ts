/** What the coordinator and its algebra thread tell each other. */

import type { Covariance } from '../../shared/math/moment-sums.js';
import type { GaussianAnswer } from './gaussian-mean.js';

export type AlgebraWork =
  /** the encoded support set of a locality mask */
  | { readonly kind: 'locality'; readonly covariance: Covariance; readonly ratio: number; readonly threshold: number }
  /** `key` names the covariance: factors of it are kept under it. x [B, D], alpha [B]. */
  | {
      readonly kind: 'gaussian';
      readonly key: string;
      readonly covariance: Covariance;
      readonly ratio: number;
      readonly x: Float64Array;
      readonly alpha: Float64Array;
    };

export interface AlgebraThreadData {
  /** of the thread's NativeSection */
  readonly section: Int32Array;
}

export interface ToAlgebra {
  readonly task: number;
  readonly work: AlgebraWork;
}

export interface FromAlgebra {
  readonly task: number;
  readonly result?: Uint8Array<ArrayBuffer> | GaussianAnswer;
  /** what went wrong, in a sentence */
  readonly failure?: string;
}
