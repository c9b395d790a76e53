/** The part of TensorFlow.js that this backend uses, written down so that the package is needed at run time alone, and only by those who choose this backend. */

export interface Tensor {
  readonly shape: readonly number[];
  /** waits for the device */
  dataSync(): Float32Array;
  dispose(): void;
}

/** The functional interface of @tensorflow/tfjs-core; every operation gives a new tensor. */
export interface TensorOps {
  /** The values are the tensor's from then on. */
  tensor(values: Float32Array | Int32Array, shape: readonly number[], dtype: 'float32' | 'int32'): Tensor;
  scalar(value: number): Tensor;
  /** Disposes of every tensor made inside but those returned. */
  tidy<T>(make: () => T): T;
  slice(tensor: Tensor, begin: readonly number[], size: readonly number[]): Tensor;
  gather(tensor: Tensor, indices: Tensor): Tensor;
  concat(tensors: readonly Tensor[], axis: number): Tensor;
  reshape(tensor: Tensor, shape: readonly number[]): Tensor;
  transpose(tensor: Tensor, axes: readonly number[]): Tensor;
  matMul(a: Tensor, b: Tensor): Tensor;
  add(a: Tensor, b: Tensor): Tensor;
  sub(a: Tensor, b: Tensor): Tensor;
  mul(a: Tensor, b: Tensor): Tensor;
  floor(tensor: Tensor): Tensor;
  square(tensor: Tensor): Tensor;
  exp(tensor: Tensor): Tensor;
  min(tensor: Tensor, axis: number, keepDims: boolean): Tensor;
  max(tensor: Tensor, axis: number, keepDims: boolean): Tensor;
  sum(tensor: Tensor, axis: number, keepDims: boolean): Tensor;
  memory(): { readonly numTensors: number; readonly numBytes: number };
}

/** Packages in the order in which they are looked for; the last two are for tests and for looking at the engine without a build. */
export const TFJS_FLAVOURS = ['node-gpu', 'node', 'wasm', 'cpu'] as const;
export type TfjsFlavour = (typeof TFJS_FLAVOURS)[number];

export interface TfjsFacts {
  readonly flavour: TfjsFlavour;
  readonly version: string;
  /** where products are computed */
  readonly device: 'gpu' | 'cpu';
}

export interface TensorDevice {
  readonly ops: TensorOps;
  readonly facts: TfjsFacts;
  /** values of a tile of rows: it bounds the memory beside the slice, and the time between two looks at whether a step was closed */
  readonly tileValues: number;
}
