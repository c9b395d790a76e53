/**
 * Life of a service process. SIGTERM or SIGINT stops it in order and it ends with status 0; a second signal ends it at once. SIGUSR2 asks it to leave: it says that it is not
 * to be asked any more and hands over what it can, but serves on until it is stopped (pre-stop.ts waits for that); before it is ready it ends. A process that was
 * started with an IPC channel says there when it is ready, and ends at once when the channel breaks: however its parent dies, it leaves no child.
 */

import { GolddiffError } from './errors.js';
import { EXIT_FAILED, EXIT_USAGE } from './config.js';
import { createLogger, type Logger, type LogLevel } from './log.js';

export interface ReadyAddresses {
  /** host:port of the gRPC server */
  readonly address: string;
  readonly metricsAddress?: string | undefined;
}

export interface RunningService {
  readonly ready: ReadyAddresses;
  /** drains and closes everything; must end by itself within a bounded time */
  stop(): Promise<void>;
  /** Goes out of service while it still serves; resolves when nobody needs it any more, or its time for that is over. Called once at most, and never after stop(). */
  leave?(): Promise<void>;
}

/** What a child sends to its parent over IPC. */
export type LifecycleMessage =
  ({ readonly kind: 'ready' } & ReadyAddresses) | { readonly kind: 'failed'; readonly code: string; readonly message: string };

export interface ServiceSettings {
  readonly component: string;
  readonly logLevel?: LogLevel;
}

/** 128 + SIGKILL's usual meaning does not fit an own exit; shells read 130 as "stopped by the user's signal". */
const EXIT_SECOND_SIGNAL = 130;

export function isLifecycleMessage(message: unknown): message is LifecycleMessage {
  return typeof message === 'object' && message !== null && 'kind' in message && (message.kind === 'ready' || message.kind === 'failed');
}

/** Starts the service and returns once it is ready. A start that fails ends the process, with status 2 for a bad argument and 1 otherwise. */
export async function runService(start: (log: Logger) => Promise<RunningService>, settings: ServiceSettings): Promise<void> {
  const log = createLogger(settings.component, settings.logLevel);
  let running: RunningService | undefined;
  let stopping = false;
  let leaving = false;

  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopping) {
      log.warn({ signal }, 'second signal, ending at once');
      process.exit(EXIT_SECOND_SIGNAL);
    }
    stopping = true;
    log.info({ signal }, 'stopping');
    // Before it is ready there is nothing under way to wait for.
    if (running === undefined) process.exit(0);
    running.stop().then(
      () => {
        log.info('stopped');
        process.exit(0);
      },
      (error: unknown) => {
        log.error({ err: error }, 'stopping failed');
        process.exit(EXIT_FAILED);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  process.on('SIGUSR2', (signal) => {
    // What is not ready yet has nothing to hand over, and whoever asks it waits until it has left.
    if (running === undefined) return onSignal(signal);
    if (stopping || leaving || running.leave === undefined) return;
    leaving = true;
    log.info('leaving');
    running.leave().then(
      () => log.info('left'),
      (error: unknown) => log.error({ err: error }, 'leaving failed'),
    );
  });
  const onParentGone = (): void => {
    log.warn('the parent process went away, ending at once');
    process.exit(EXIT_FAILED);
  };
  process.on('disconnect', onParentGone);
  // The channel may have broken while modules were loading, when nobody listened.
  if (process.send !== undefined && !process.connected) onParentGone();
  const onBug = (error: unknown): void => {
    log.fatal({ err: error }, 'ended by a fault of the program');
    process.exit(EXIT_FAILED);
  };
  process.on('uncaughtException', onBug);
  process.on('unhandledRejection', onBug);

  try {
    running = await start(log);
  } catch (error) {
    const code = error instanceof GolddiffError ? error.code : 'INTERNAL';
    const message = error instanceof Error ? error.message : String(error);
    log.fatal(code === 'INTERNAL' ? { err: error } : { code }, message);
    await tellParent({ kind: 'failed', code, message });
    process.exit(code === 'ARGUMENT_INVALID' ? EXIT_USAGE : EXIT_FAILED);
  }
  log.info(running.ready, 'ready');
  await tellParent({ kind: 'ready', ...running.ready });
}

/** Resolves when the message has left; a parent that is gone already is noticed by the disconnect, not here. */
function tellParent(message: LifecycleMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, undefined, {}, () => resolve());
  });
}
