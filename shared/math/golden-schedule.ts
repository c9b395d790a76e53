/**
 * Sizes of the golden subset by noise level (GoldDiff, arXiv 2602.16498): the candidate pool m_t grows as noise falls, the subset k_t shrinks.
 *     g = 1 - noise,  m_t = clamp(round(k_max + (N - k_max) g), k_max, N),  k_t = max(k_min, round(k_max - (k_max - k_min) g))
 * with noise = sigma / sqrt(alpha^2 + sigma^2), which is sigma itself on a variance-preserving schedule.
 */

import { argumentError } from '../errors.js';
import { K_MAX_DEFAULT_MAX, K_MIN_DEFAULT_MAX } from '../limits.js';
import { noiseShare, type NoiseLevel } from './noise-schedule.js';

/** The sizes that a caller may name, as in proto Retrieval; 0 or absent = by default. */
export interface GoldenWish {
  readonly variant?: string;
  readonly kMin?: number;
  readonly kMax?: number;
  readonly candidatePool?: number;
  readonly kFixed?: number;
  readonly presample?: string;
}

export interface GoldenSettings {
  readonly variant: 'paper' | 'released';
  /** 1 <= kMin <= kMax <= N */
  readonly kMin: number;
  readonly kMax: number;
  /** 0 = m_t (paper) or kMax (released) */
  readonly candidatePool: number;
  /** 0 = k_t */
  readonly kFixed: number;
  readonly presampleAll: boolean;
}

/** Rows that pass each stage; N where a stage lets all pass. subset <= pool <= presample <= N. */
export interface GoldenSizes {
  readonly presample: number;
  readonly pool: number;
  readonly subset: number;
}

/**
 * The caller's wishes with defaults for `rows` eligible rows.
 * @throws ARGUMENT_INVALID naming the field of retrieval
 */
export function resolveGolden(wish: GoldenWish, rows: number): GoldenSettings {
  const range = (field: string, value: number | undefined, low: number): number => {
    if (value === undefined || value === 0) return 0;
    if (!Number.isInteger(value) || value < low || value > rows) {
      throw argumentError(`retrieval.${field}`, `0 or an integer in ${low}..${rows} (the eligible rows)`, value);
    }
    return value;
  };
  const kFixed = range('k_fixed', wish.kFixed, 1);
  const kMinWish = range('k_min', wish.kMin, 1);
  const kMaxWish = range('k_max', wish.kMax, 1);
  if (kMinWish > 0 && kMaxWish > 0 && kMinWish > kMaxWish) throw argumentError('retrieval.k_min', `at most k_max = ${kMaxWish}`, kMinWish);
  const kMaxDefault = Math.max(1, Math.min(K_MAX_DEFAULT_MAX, Math.round(rows / 10)));
  const kMax = Math.max(kMaxWish || Math.max(kMaxDefault, kMinWish), kFixed);
  const kMin = kMinWish || Math.min(kMax, Math.max(1, Math.min(K_MIN_DEFAULT_MAX, Math.round(rows / 20))));
  const candidatePool = range('candidate_pool', wish.candidatePool, kFixed || kMax);
  const variant = wish.variant === 'RELEASED' ? 'released' : 'paper';
  return { variant, kMin, kMax, candidatePool, kFixed, presampleAll: variant === 'paper' || wish.presample === 'PRESAMPLE_ALL' };
}

/** Sizes at one noise level among `rows` eligible rows. Pure. */
export function goldenSizes(settings: GoldenSettings, rows: number, level: NoiseLevel): GoldenSizes {
  const g = 1 - noiseShare(level);
  const { kMin, kMax } = settings;
  const grown = Math.min(rows, Math.max(kMax, Math.round(kMax + (rows - kMax) * g)));
  const wanted = settings.kFixed || Math.max(kMin, Math.round(kMax - (kMax - kMin) * g));
  const presample = settings.presampleAll ? rows : grown;
  const pool = Math.min(presample, settings.candidatePool || (settings.variant === 'paper' ? grown : kMax));
  return { presample, pool, subset: Math.min(wanted, pool) };
}
