/** What the machine allows, measured in the same run: memory reads by all cores and 8-bit products from registers (peers/floors.cpp). */

import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

import { packageRoot } from '../../../shared/package-root.js';
import { LineProcess } from './line-process.js';
import { spread, type Spread } from './spread.js';

interface FloorReply {
  /** bytes or multiply-adds in each time */
  readonly amount: number;
  readonly times: number[];
}

const READS = 9;
const BUILD_TIMEOUT_MS = 120_000;
const FLAGS = ['-O3', '-march=native', '-std=c++17', '-pthread'];

export class Floors {
  private constructor(readonly process: LineProcess) {}

  /** Undefined where there is no compiler. */
  static async start(folder: string, threads: number): Promise<Floors | undefined> {
    const program = path.join(folder, 'floors');
    try {
      const source = path.join(packageRoot, 'test', 'bench', 'peers', 'floors.cpp');
      await promisify(execFile)('g++', [...FLAGS, source, '-o', program], { timeout: BUILD_TIMEOUT_MS });
    } catch {
      return undefined;
    }
    return new Floors(new LineProcess({ name: 'floors', command: program, args: [String(threads)] }));
  }

  /** Milliseconds to read a buffer of so many bytes once, again and again: it is as warm in the caches as a slice that steps read one after another. */
  async readMs(bytes: number): Promise<Spread> {
    return spread((await this.process.request<FloorReply>(`read ${Math.round(bytes)} ${READS}`)).times);
  }

  /** 8-bit multiply-adds in a millisecond; 0 where the instruction set has none. */
  async productsPerMs(): Promise<number> {
    return this.#perMs('int8');
  }

  /** float32 multiply-adds in a millisecond. */
  async floatProductsPerMs(): Promise<number> {
    return this.#perMs('float');
  }

  async #perMs(kind: 'int8' | 'float'): Promise<number> {
    const replies: FloorReply[] = [];
    for (let i = 0; i < 3; i++) replies.push(await this.process.request<FloorReply>(kind));
    return Math.max(...replies.map(({ amount, times }) => amount / Math.min(...times)));
  }
}

/** The least time of a phase: it must read its bytes and do its products, at best both at once. */
export function floorMs(
  work: { readonly bytes: number; readonly products: number },
  speed: { readonly bytesPerMs: number; readonly productsPerMs: number },
): number {
  return Math.max(work.bytes / speed.bytesPerMs, speed.productsPerMs > 0 ? work.products / speed.productsPerMs : 0);
}
