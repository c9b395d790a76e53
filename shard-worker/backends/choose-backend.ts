/** Which backend computes: a pure function of what was asked for and what was found. Graphics cards come first, processors last. */

import { GolddiffError } from '../../shared/errors.js';
import type { BackendName } from './backend.js';
import type { TfjsFacts } from './tfjs/tensor-ops.js';

export const BACKEND_WISHES = ['auto', 'native', 'cuda', 'tfjs', 'reference'] as const satisfies readonly ('auto' | BackendName)[];
export type BackendWish = (typeof BACKEND_WISHES)[number];

/** What was looked for: it is there, or why it is not, in a few words, and what to do. */
export type Detected<T> =
  | { readonly found: T }
  /** `expected`: this build or machine should have it, so that its lack is worth a warning */
  | { readonly missing: string; readonly expected: boolean };

/** The device that a CUDA backend would use: its addon loads, the driver is there and shows it. */
export interface CudaFacts {
  readonly device: string;
  /** free there, and within the budget for rows */
  readonly freeBytes: number;
}

/** What was detected at start. The reference backend is always there. */
export interface BackendFacts {
  readonly native: Detected<object>;
  readonly cuda: Detected<CudaFacts>;
  readonly tfjs: Detected<TfjsFacts>;
  /** of the largest partition of the data sets, as a card counts it: one that cannot hold it is of no use */
  readonly partitionBytesMax: number;
}

/** asked: by name; fastest: the best that there could be; fallback: something faster should be there and is not. */
export type ChoiceKind = 'asked' | 'fastest' | 'fallback';

export interface BackendChoice {
  readonly name: BackendName;
  readonly kind: ChoiceKind;
  /** for the log: why, and why not a faster one that should be there */
  readonly reason: string;
}

interface Candidate {
  readonly name: BackendName;
  /** why it is not taken; undefined = it can be */
  readonly against: string | undefined;
  readonly expected: boolean;
}

/** @throws BACKEND_MISSING for a named backend that is not available, with what to do instead */
export function chooseBackend(wish: BackendWish, facts: BackendFacts): BackendChoice {
  if (wish !== 'auto') {
    const lacking = missingReason(wish, facts);
    if (lacking === undefined) return { name: wish, kind: 'asked', reason: 'asked for' };
    const others = (['cuda', 'native', 'tfjs', 'reference'] as const).filter((name) => missingReason(name, facts) === undefined);
    throw new GolddiffError(
      'BACKEND_MISSING',
      `Backend ${wish} is not available (${lacking}); or start with --backend ${others.join(' or ')}, or auto`,
    );
  }
  const order = candidates(facts);
  const place = order.findIndex(({ against }) => against === undefined);
  const { name } = order[place]!;
  const faster = order.slice(0, place);
  const expected = faster.filter((candidate) => candidate.expected);
  const lacking = expected.map((candidate) => `; ${candidate.name} is faster and is not used: ${candidate.against}`).join('');
  const able = order.flatMap((candidate) => (candidate.against === undefined ? [candidate.name] : [])).join(', ');
  return { name, kind: expected.length > 0 ? 'fallback' : 'fastest', reason: `auto: the fastest of those that can run here (${able})${lacking}` };
}

/** Fastest first, for `auto`; the last can always run. */
function candidates(facts: BackendFacts): Candidate[] {
  const { native, cuda, tfjs, partitionBytesMax } = facts;
  const nativeOne = { name: 'native', against: missingReason('native', facts), expected: 'missing' in native && native.expected } as const;
  const ofCuda = ((): Candidate => {
    if ('missing' in cuda) return { name: 'cuda', against: cuda.missing, expected: cuda.expected };
    const { device, freeBytes } = cuda.found;
    const small = `the ${freeBytes} bytes for rows on ${device} do not hold the largest partition of ${partitionBytesMax} bytes there`;
    return { name: 'cuda', against: freeBytes < partitionBytesMax ? small : undefined, expected: true };
  })();
  const last: Candidate = { name: 'reference', against: undefined, expected: false };
  if ('missing' in tfjs)
    return [ofCuda, nativeOne, ...(tfjs.expected ? [{ name: 'tfjs', against: tfjs.missing, expected: true } as const] : []), last];
  const { flavour, device } = tfjs.found;
  if (device === 'gpu') return [ofCuda, { name: 'tfjs', against: undefined, expected: false }, nativeOne, last];
  // On processors its products are slower than the native engine's; without TensorFlow's own library they are slower than plain loops on several threads.
  const own = flavour === 'node' || flavour === 'node-gpu';
  return [
    ofCuda,
    nativeOne,
    { name: 'tfjs', against: own ? undefined : `its ${flavour} engine is slower than the reference backend`, expected: false },
    last,
  ];
}

function missingReason(name: BackendName, facts: BackendFacts): string | undefined {
  if (name === 'reference') return undefined;
  const detected = facts[name];
  return 'missing' in detected ? detected.missing : undefined;
}
