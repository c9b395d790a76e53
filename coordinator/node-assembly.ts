/** Arrays of the merge tree's nodes that one worker sends in pieces: put together, and checked to be whole and to cover the worker's partitions once each. */

import { GolddiffError } from '../shared/errors.js';
import { nodeKey, partitionsUnder, type TreeNode } from '../shared/math/merge-tree.js';

export interface NodePiece extends TreeNode {
  readonly data: Uint8Array;
}

export class NodeAssembly<Piece extends NodePiece> {
  readonly #nodes = new Map<string, { readonly first: Piece; readonly bytes: Uint8Array<ArrayBuffer>; filled: number }>();

  /**
   * @param what of the nodes, for errors
   * @param nodeBytes of each node
   */
  constructor(
    private readonly workerId: string,
    private readonly what: string,
    private readonly nodeBytes: number,
  ) {}

  /** Takes the next piece of its node. @throws INTERNAL for more than the node has */
  add(piece: Piece): void {
    const key = nodeKey(piece);
    let node = this.#nodes.get(key);
    if (node === undefined) {
      node = { first: piece, bytes: new Uint8Array(this.nodeBytes), filled: 0 };
      this.#nodes.set(key, node);
    }
    if (node.filled + piece.data.length > this.nodeBytes)
      throw this.#broken(`the ${this.what} of node ${key} are longer than ${this.nodeBytes} bytes`);
    node.bytes.set(piece.data, node.filled);
    node.filled += piece.data.length;
  }

  /**
   * Every node by its key: made of its first piece and all its bytes.
   * @param partitions of the worker, ascending @param present partitions of the data set
   * @throws INTERNAL
   */
  finish<T>(partitions: readonly number[], present: readonly number[], make: (first: Piece, bytes: Uint8Array<ArrayBuffer>) => T): Map<string, T> {
    const covered = [...this.#nodes.values()].flatMap(({ first }) => partitionsUnder(first, present)).sort((a, b) => a - b);
    if (covered.join() !== partitions.join()) throw this.#broken(`its ${this.what} do not cover its partitions once each`);
    const made = new Map<string, T>();
    for (const [key, { first, bytes, filled }] of this.#nodes) {
      if (filled !== this.nodeBytes) throw this.#broken(`the ${this.what} of node ${key} end after ${filled} of ${this.nodeBytes} bytes`);
      made.set(key, make(first, bytes));
    }
    return made;
  }

  #broken(what: string): GolddiffError {
    return new GolddiffError('INTERNAL', `Worker ${this.workerId} broke the protocol: ${what}`);
  }
}
