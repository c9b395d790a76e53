/**
 * Noise as a function of counters, so that any split of the work over batches, processes and retries draws the same numbers.
 *
 * Generator: Philox with 10 rounds (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011). Normals by Box-Muller in
 * double; V8 computes log, cos and sin in software, so the same bits come out on every machine.
 */

const PHILOX4_M0 = 0xd2511f53;
const PHILOX4_M1 = 0xcd9e8d57;
const PHILOX2_M = 0xd256d193;
const WEYL0 = 0x9e3779b9;
const WEYL1 = 0xbb67ae85;
const ROUNDS = 10;
/** Third key material: streams for different uses never meet. */
const DOMAIN_NORMALS = 0x6e6f726d;
const DOMAIN_PRESAMPLE = 0x70726573;

/** High 32 bits of the product of two unsigned 32-bit integers. */
function mulHigh(a: number, b: number): number {
  const al = a & 0xffff;
  const ah = a >>> 16;
  const bl = b & 0xffff;
  const bh = b >>> 16;
  const low = al * bl;
  const mid1 = ah * bl + (low >>> 16);
  const mid2 = al * bh + (mid1 & 0xffff);
  return (ah * bh + Math.floor(mid1 / 0x10000) + Math.floor(mid2 / 0x10000)) >>> 0;
}

/** Philox4x32-10: four words from a counter of four and a key of two, all unsigned 32-bit. Writes and returns `out`. */
export function philox4x32(c0: number, c1: number, c2: number, c3: number, k0: number, k1: number, out: Uint32Array): Uint32Array {
  for (let r = 0; r < ROUNDS; r++) {
    const h0 = mulHigh(PHILOX4_M0, c0);
    const l0 = Math.imul(PHILOX4_M0, c0) >>> 0;
    const h1 = mulHigh(PHILOX4_M1, c2);
    const l1 = Math.imul(PHILOX4_M1, c2) >>> 0;
    c0 = (h1 ^ c1 ^ k0) >>> 0;
    c1 = l1;
    c2 = (h0 ^ c3 ^ k1) >>> 0;
    c3 = l0;
    k0 = (k0 + WEYL0) >>> 0;
    k1 = (k1 + WEYL1) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
  return out;
}

/** Philox2x32-10: two words from a counter of two and a key of one. */
export function philox2x32(c0: number, c1: number, key: number): [number, number] {
  for (let r = 0; r < ROUNDS; r++) {
    const high = mulHigh(PHILOX2_M, c0);
    const low = Math.imul(PHILOX2_M, c0) >>> 0;
    c0 = (high ^ key ^ c1) >>> 0;
    c1 = low;
    key = (key + WEYL0) >>> 0;
  }
  return [c0, c1];
}

/** 53 bits of two words as a number in [0, 1). */
function unit53(high: number, low: number): number {
  return ((high >>> 5) * 0x4000000 + (low >>> 6)) / 0x20000000000000;
}

/**
 * Fills `out` with independent standard normals of the stream (seed, sample, step).
 * Value 2j and 2j+1 depend on (seed, sample, step, j) only, so a prefix is a prefix.
 *
 * @param seed 0 .. 2^53 - 1
 * @param sample 0 .. 2^32 - 1, absolute number of the image
 * @param step 0 .. 2^32 - 1; 0 is the first noise
 */
export function fillNormals(out: Float64Array, seed: number, sample: number, step: number): void {
  const k0 = seed >>> 0;
  const k1 = (Math.floor(seed / 0x100000000) ^ DOMAIN_NORMALS) >>> 0;
  const words = new Uint32Array(4);
  for (let j = 0; j * 2 < out.length; j++) {
    philox4x32(j, sample, step, 0, k0, k1, words);
    const radius = Math.sqrt(-2 * Math.log(1 - unit53(words[0]!, words[1]!)));
    const angle = 2 * Math.PI * unit53(words[2]!, words[3]!);
    out[j * 2] = radius * Math.cos(angle);
    if (j * 2 + 1 < out.length) out[j * 2 + 1] = radius * Math.sin(angle);
  }
}

/**
 * Hash of rows for one query's pre-sample: a function of (seed, step, query id) that maps a row id to [0, 1), uniformly.
 * The rows with the m smallest hashes are the uniform random subset of m rows; equal hashes go by row id.
 */
export function presampleHasher(seed: number, step: number, queryId: number): (rowId: number) => number {
  const [key, tweak] = philox4x32(queryId, step, 0, DOMAIN_PRESAMPLE, seed >>> 0, Math.floor(seed / 0x100000000), new Uint32Array(4)) as unknown as [
    number,
    number,
  ];
  return (rowId) => {
    const [high, low] = philox2x32(rowId, tweak, key);
    return unit53(high, low);
  };
}

/** One value of presampleHasher. */
export function presampleHash(seed: number, step: number, queryId: number, rowId: number): number {
  return presampleHasher(seed, step, queryId)(rowId);
}
