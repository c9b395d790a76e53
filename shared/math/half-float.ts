/** IEEE 754 binary16, which JavaScript lacks before Float16Array. */

const floats = new Float32Array(1);
const words = new Uint32Array(floats.buffer);

/** Exact value of 16 bits. */
export function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Nearest 16 bits, ties to even, from the value rounded to float32 first; beyond 65,520 infinity. */
export function numberToFloat16(value: number): number {
  floats[0] = value;
  const word = words[0]!;
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) return sign | roundHalfEven(Math.abs(floats[0]) * 2 ** 24);
  const kept = magnitude - 0x38000000;
  const tie = kept & 0x1fff;
  const base = kept >>> 13;
  return sign | (tie > 0x1000 || (tie === 0x1000 && (base & 1) === 1) ? base + 1 : base);
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && (floor & 1) === 1) ? floor + 1 : floor;
}
