/**
 * Ctrl-C, kill and the death of a parent as one AbortSignal: the command stops its calls and its cluster in order. A second signal ends the process at
 * once; its children then end by themselves.
 */

import { GolddiffError } from '../shared/errors.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const EXIT_SECOND_SIGNAL = 130;

export interface Interrupts {
  /** fires at the first signal, with a GolddiffError CANCELLED as its reason */
  readonly signal: AbortSignal;
  /** Gives the signals back their usual effect. */
  release(): void;
}

export function listenForInterrupts(): Interrupts {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(EXIT_SECOND_SIGNAL);
    controller.abort(new GolddiffError('CANCELLED', `Interrupted by ${name}`));
  };
  const onParentGone = (): void => controller.abort(new GolddiffError('CANCELLED', 'Interrupted: the parent process went away'));
  for (const name of SIGNALS) process.on(name, onSignal);
  // Only with an IPC channel, as from npm start. Heard only while a command runs: a listener keeps the process alive.
  if (process.send !== undefined) {
    process.on('disconnect', onParentGone);
    if (!process.connected) onParentGone();
  }
  return {
    signal: controller.signal,
    release: () => {
      for (const name of SIGNALS) process.off(name, onSignal);
      process.off('disconnect', onParentGone);
    },
  };
}
