/**
 * One way to choose the rows of an answer, as a study names it: `exact`, `paper` or `released`, with settings behind a colon, such as `paper:k=600` or
 * `released:presample=all,pool=3000`. A name without settings has the defaults of `golddiff sample`.
 */

import { argumentError } from '../../shared/errors.js';
import type { ExactRetrieval, GoldenRetrieval, RetrievalChoice } from '../retrieval.js';
import { PRESAMPLES, SEARCHES } from '../vocabulary.js';

export interface Method {
  /** as it was written */
  readonly name: string;
  readonly retrieval: RetrievalChoice;
}

export const METHOD_FORMS =
  'exact[:tolerance=SHARE,wss=ROWS], or paper or released[:k=ROWS,k-min=ROWS,k-max=ROWS,pool=ROWS|all,proxy=PIXELS,search=scan|hnsw,presample=all,wss=ROWS]';

/** A pool of `all` rows has no proxy error: the subset is the true nearest rows. */
const SETTINGS: Readonly<Record<string, { field: keyof GoldenRetrieval; only?: 'paper' | 'released' }>> = {
  k: { field: 'k' },
  'k-min': { field: 'kMin' },
  'k-max': { field: 'kMax' },
  pool: { field: 'candidatePool' },
  proxy: { field: 'proxyResolution' },
  search: { field: 'search', only: 'paper' },
  presample: { field: 'presample', only: 'released' },
  /** the mean over blocks of so many rows in place of one softmax */
  wss: { field: 'blockRows' },
};

/** @param rows eligible rows, for `pool=all` @throws ARGUMENT_INVALID */
export function parseMethod(text: string, rows: number): Method {
  const [kind = '', settings] = text.split(/:(.*)/s, 2);
  const given = settings === undefined ? [] : settings.split(',').map((part) => part.split(/=(.*)/s, 2) as [string, string | undefined]);
  const refuse = (expected: string, received: unknown) => argumentError('--method', expected, received);
  if (kind === 'exact') {
    let exact: ExactRetrieval = { kind: 'exact' };
    for (const [key, value] of given) {
      const blockRows = /^\d+$/.test(value ?? '') ? Number(value) : NaN;
      if (key === 'wss' && blockRows >= 1 && blockRows <= rows) {
        exact = { ...exact, aggregator: 'wss', blockRows };
        continue;
      }
      const tolerance = value === undefined || value.trim() === '' ? NaN : Number(value);
      if (key !== 'tolerance' || !(tolerance >= 0 && tolerance <= 0.5))
        throw refuse(`exact, exact:tolerance=SHARE with a share from 0 to 0.5 or exact:wss=ROWS with at most ${rows} rows`, text);
      exact = { ...exact, tolerance };
    }
    return { name: text, retrieval: exact };
  }
  if (kind !== 'paper' && kind !== 'released') throw refuse(METHOD_FORMS, text);
  const golden: Record<string, unknown> = { kind: 'golden', variant: kind };
  for (const [key, value] of given) {
    const setting = Object.hasOwn(SETTINGS, key) ? SETTINGS[key] : undefined;
    if (setting === undefined || (setting.only !== undefined && setting.only !== kind)) throw refuse(METHOD_FORMS, text);
    golden[setting.field] = valueOf(setting.field, value ?? '', rows) ?? fail(refuse(`${METHOD_FORMS} with at most ${rows} rows`, text));
  }
  if (golden['blockRows'] !== undefined) golden['aggregator'] = 'wss';
  return { name: text, retrieval: golden as unknown as GoldenRetrieval };
}

function valueOf(field: keyof GoldenRetrieval, value: string, rows: number): number | string | undefined {
  if (field === 'search') return Object.hasOwn(SEARCHES, value) ? value : undefined;
  if (field === 'presample') return Object.hasOwn(PRESAMPLES, value) ? value : undefined;
  if (field === 'candidatePool' && value === 'all') return rows;
  const number = /^\d+$/.test(value) ? Number(value) : NaN;
  return number >= 1 && number <= rows ? number : undefined;
}

function fail(error: Error): never {
  throw error;
}

/**
 * What is compared where nothing is named: both variants as published, the same without the error of the proxy, a subset of fixed small size, and a
 * scan that may leave out a hundredth of the mass where it can prove it.
 */
export function defaultMethods(rows: number): Method[] {
  const small = Math.max(1, Math.round(rows / 100));
  return ['paper', 'paper:pool=all', `paper:k=${small},pool=all`, 'released', 'released:presample=all', 'exact:tolerance=0.01'].map((text) =>
    parseMethod(text, rows),
  );
}
