/** Which backend computes: a pure function of what was asked for and what was found. */

import { GolddiffError } from '../../shared/errors.js';
import type { BackendName } from './backend.js';

export const BACKEND_WISHES = ['auto', 'reference', 'native', 'cuda', 'tfjs'] as const satisfies readonly ('auto' | BackendName)[];
export type BackendWish = (typeof BACKEND_WISHES)[number];

/** What was detected at start: the backends that this build and machine can run. */
export interface BackendFacts {
  readonly available: readonly BackendName[];
}

export interface BackendChoice {
  readonly name: BackendName;
  /** for the log: why */
  readonly reason: string;
}

/** Fastest first; the reference backend is always there. */
const PREFERENCE: readonly BackendName[] = ['cuda', 'native', 'tfjs', 'reference'];

const NEXT_STEP: Readonly<Record<BackendName, string>> = {
  reference: 'it is part of every build',
  native: 'this build has no native kernels',
  cuda: 'this build has no CUDA kernels',
  tfjs: 'this build has no TensorFlow.js backend',
};

/** @throws BACKEND_MISSING for a named backend that is not available, with what to do instead */
export function chooseBackend(wish: BackendWish, facts: BackendFacts): BackendChoice {
  if (wish === 'auto') {
    const name = PREFERENCE.find((candidate) => facts.available.includes(candidate)) ?? 'reference';
    return { name, reason: `auto: the fastest of those available (${facts.available.join(', ')})` };
  }
  if (facts.available.includes(wish)) return { name: wish, reason: 'asked for' };
  throw new GolddiffError(
    'BACKEND_MISSING',
    `Backend ${wish} is not available (${NEXT_STEP[wish]}); start with --backend ${facts.available.join(' or ')}, or auto`,
  );
}
