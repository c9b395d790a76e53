/**
 * How the rows of the posterior are chosen, as a user says it, and its proto form.
 */

import type { Retrieval as ProtoRetrieval } from '../proto/generated/golddiff/v1/Retrieval.js';
import {
  AGGREGATORS,
  enumOf,
  GOLDEN_VARIANTS,
  PRESAMPLES,
  SEARCHES,
  type AggregatorWord,
  type GoldenVariantWord,
  type PresampleWord,
  type SearchWord,
} from './vocabulary.js';

export interface Aggregation {
  /** default 'softmax', which is exact; 'wss' is the biased mean of a softmax for each block of `blockRows` rows */
  readonly aggregator?: AggregatorWord;
  /** 'wss': rows in a block, at least 1 */
  readonly blockRows?: number;
}

/** Every row is scored. */
export interface ExactRetrieval extends Aggregation {
  readonly kind: 'exact';
  /** share of the mass that may be left out where that is proven, up to 0.5; default 2^-24. Above it the bound of the answer is 'certified' */
  readonly tolerance?: number;
}

/** A golden subset is scored: the rows nearest to the query. Sizes left out come from the number of eligible rows. */
export interface GoldenRetrieval extends Aggregation {
  readonly kind: 'golden';
  /** default 'paper' */
  readonly variant?: GoldenVariantWord;
  /** rows of the golden subset at the least noise; default min(10000, N/20) */
  readonly kMin?: number;
  /** rows of the golden subset at the most noise; default min(20000, N/10) */
  readonly kMax?: number;
  /** rows of the candidate pool; 'auto' = by noise level (paper) or kMax (released) */
  readonly candidatePool?: number | 'auto';
  /** rows of the golden subset at every level; 'dynamic' = from kMin to kMax by noise level */
  readonly k?: number | 'dynamic';
  /** pixels along H after pooling; default the largest divisor of the resolution not above 16 */
  readonly proxyResolution?: number;
  /** variant 'released': how many rows are pre-sampled; default 'auto' */
  readonly presample?: PresampleWord;
  /** 0 .. 2^53 - 1 */
  readonly presampleSeed?: number;
  /** tells apart the steps of one trajectory */
  readonly presampleStep?: number;
  /** counter of the first query of the batch */
  readonly firstQuery?: number;
  /** variant 'paper': how the rows nearest by proxy are found; default 'auto' */
  readonly search?: SearchWord;
  /**
   * largest bound on the mass left out that is accepted, in (0, 1): a query above it is answered again with more rows, at last with all of them; default any
   */
  readonly maxTailMass?: number;
}

export type RetrievalChoice = ExactRetrieval | GoldenRetrieval;

/** Throws ARGUMENT_INVALID for a word that is not one; ranges are the server's to check. */
export function encodeRetrieval(choice: RetrievalChoice | undefined): ProtoRetrieval {
  if (choice === undefined) return { kind: 'EXACT_SCAN' };
  const { aggregator, blockRows } = choice;
  const aggregation = {
    ...(aggregator === undefined ? {} : { aggregator: enumOf(AGGREGATORS, 'retrieval.aggregator', aggregator) }),
    ...(blockRows === undefined ? {} : { blockRows }),
  };
  if (choice.kind === 'exact')
    return { kind: 'EXACT_SCAN', ...(choice.tolerance === undefined ? {} : { tolerance: choice.tolerance }), ...aggregation };
  return {
    kind: 'GOLDEN',
    variant: enumOf(GOLDEN_VARIANTS, 'retrieval.variant', choice.variant ?? 'paper'),
    kMin: choice.kMin ?? 0,
    kMax: choice.kMax ?? 0,
    candidatePool: choice.candidatePool === undefined || choice.candidatePool === 'auto' ? 0 : choice.candidatePool,
    kFixed: choice.k === undefined || choice.k === 'dynamic' ? 0 : choice.k,
    proxyResolution: choice.proxyResolution ?? 0,
    presample: enumOf(PRESAMPLES, 'retrieval.presample', choice.presample ?? 'auto'),
    presampleSeed: choice.presampleSeed ?? 0,
    presampleStep: choice.presampleStep ?? 0,
    firstQuery: choice.firstQuery ?? 0,
    search: enumOf(SEARCHES, 'retrieval.search', choice.search ?? 'auto'),
    maxTailMass: choice.maxTailMass ?? 0,
    ...aggregation,
  };
}
