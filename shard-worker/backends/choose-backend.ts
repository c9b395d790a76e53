/** Which backend computes: a pure function of what was asked for and what was found. */

import { GolddiffError } from '../../shared/errors.js';
import type { BackendName } from './backend.js';

export const BACKEND_WISHES = ['auto', 'reference', 'native', 'cuda', 'tfjs'] as const satisfies readonly ('auto' | BackendName)[];
export type BackendWish = (typeof BACKEND_WISHES)[number];

/** What was detected at start. */
export interface BackendFacts {
  /** the backends that this build and machine can run */
  readonly available: readonly BackendName[];
  /** why one is not, in a few words, and what to do; backends that this build does not have at all need no entry */
  readonly missing?: Partial<Record<BackendName, string>>;
}

export interface BackendChoice {
  readonly name: BackendName;
  /** for the log: why */
  readonly reason: string;
  /** a faster backend that this build should have is missing: to be logged where it is seen */
  readonly degraded: boolean;
}

/** Fastest first; the reference backend is always there. */
const PREFERENCE: readonly BackendName[] = ['cuda', 'native', 'tfjs', 'reference'];

const NOT_IN_BUILD: Readonly<Record<BackendName, string>> = {
  reference: 'it is part of every build',
  native: 'this build has no native kernels',
  cuda: 'this build has no CUDA kernels',
  tfjs: 'this build has no TensorFlow.js backend',
};

/** @throws BACKEND_MISSING for a named backend that is not available, with what to do instead */
export function chooseBackend(wish: BackendWish, facts: BackendFacts): BackendChoice {
  const missing = facts.missing ?? {};
  if (wish === 'auto') {
    const name = PREFERENCE.find((candidate) => facts.available.includes(candidate)) ?? 'reference';
    const faster = PREFERENCE.slice(0, PREFERENCE.indexOf(name)).filter((candidate) => missing[candidate] !== undefined);
    const lacking = faster.map((candidate) => `; ${candidate} is missing: ${missing[candidate]}`).join('');
    return { name, reason: `auto: the fastest of those available (${facts.available.join(', ')})${lacking}`, degraded: faster.length > 0 };
  }
  if (facts.available.includes(wish)) return { name: wish, reason: 'asked for', degraded: false };
  throw new GolddiffError(
    'BACKEND_MISSING',
    `Backend ${wish} is not available (${missing[wish] ?? NOT_IN_BUILD[wish]}); start with --backend ${facts.available.join(' or ')}, or auto`,
  );
}
