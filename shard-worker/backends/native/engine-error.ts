/** Errors of the addon as ours: it rejects with an Error whose `code` says which. */

import { asGolddiffError, GolddiffError } from '../../../shared/errors.js';

/** `what` begins the sentence of an error about memory. */
export function engineError(thrown: unknown, what: string): GolddiffError {
  if (thrown instanceof GolddiffError || !(thrown instanceof Error)) return asGolddiffError(thrown);
  const options = { cause: thrown };
  switch ((thrown as Error & { code?: unknown }).code) {
    case 'CANCELLED':
      return new GolddiffError('CANCELLED', 'The step was closed', {}, options);
    case 'OUT_OF_MEMORY':
      return new GolddiffError('LIMIT_EXCEEDED', `${what} needs more memory than this machine gives`, {}, options);
    case 'LIMIT_EXCEEDED':
      // The engine says the rest: how many bytes are needed and free.
      return new GolddiffError('LIMIT_EXCEEDED', `${what} ${thrown.message}`, {}, options);
    case 'ARGUMENT_INVALID':
      return new GolddiffError('ARGUMENT_INVALID', thrown.message, {}, options);
    default:
      return asGolddiffError(thrown);
  }
}
