/**
 * What runs in a container before its service is stopped (preStop of Kubernetes): asks the service to leave, and waits until it has. A service that leaves says NOT_SERVING and
 * hands over what it can while it still answers, so that no call meets a process that is already gone; only then it gets SIGTERM.
 *
 * The service tells how far it is on /healthz, which is open to its own machine also where gRPC asks for certificates.
 */

import { environmentName, hostPortOrOff, integer } from './config.js';
import { argumentError } from './errors.js';
import { healthUrlOf } from './health-url.js';
import { DRAIN_TIMEOUT_MS, LEAVE_LOOK_MS, LEAVE_SLACK_MS } from './limits.js';

/** What /healthz says beside 503. */
export const LEAVING = 'leaving';
export const LEFT = 'left';

/** The service's own, or the init process that hands signals on to it. */
const SERVICE_PID = 1;

export interface PreStop {
  readonly pid: number;
  /** http://host:port/healthz */
  readonly healthUrl: string;
  /** how long it is waited for */
  readonly withinMs: number;
}

/** From the environment of the container, which the service has too. @throws ARGUMENT_INVALID without an address of the metrics */
export function preStopOf(environment: Readonly<Record<string, string | undefined>>): PreStop {
  const name = environmentName('metrics-listen');
  const listen = hostPortOrOff(environment[name] ?? 'off', name);
  if (listen === 'off') throw argumentError(name, 'the address of /healthz, by which the service tells that it has left,', listen);
  const whole = (variable: string, fallback: number): number => {
    const value = environment[variable];
    return value === undefined || value === '' ? fallback : integer(0, Number.MAX_SAFE_INTEGER)(value, variable);
  };
  const drainMs = whole(environmentName('drain-timeout-ms'), DRAIN_TIMEOUT_MS);
  return {
    pid: whole(environmentName('pre-stop-pid'), SERVICE_PID),
    healthUrl: healthUrlOf(listen),
    withinMs: whole(environmentName('leave-notice-ms'), 0) + drainMs + LEAVE_SLACK_MS,
  };
}

/** A sentence that says how it went: whatever it is, the service is stopped next. */
export async function leaveBeforeStop({ pid, healthUrl, withinMs }: PreStop): Promise<string> {
  const startMs = performance.now();
  try {
    process.kill(pid, 'SIGUSR2');
  } catch (error) {
    return `process ${pid} could not be asked to leave: ${(error as NodeJS.ErrnoException).code ?? String(error)}`;
  }
  for (;;) {
    const leftMs = startMs + withinMs - performance.now();
    const state = await stateOf(healthUrl, Math.min(Math.max(leftMs, LEAVE_LOOK_MS), LEAVE_SLACK_MS));
    if (state === LEFT) return `left in ${Math.round(performance.now() - startMs)} ms`;
    if (state === undefined) return 'the service is gone';
    if (performance.now() - startMs >= withinMs) return `not left within ${withinMs} ms: /healthz says ${state}`;
    await new Promise((resolve) => setTimeout(resolve, LEAVE_LOOK_MS));
  }
}

/** undefined where nobody listens any more; one that does not answer just now may still be leaving. */
async function stateOf(url: string, timeoutMs: number): Promise<string | undefined> {
  try {
    return (await (await fetch(url, { signal: AbortSignal.timeout(Math.ceil(timeoutMs)) })).text()).trim();
  } catch (error) {
    const { cause } = error as { cause?: NodeJS.ErrnoException };
    return cause?.code === 'ECONNREFUSED' || cause?.code === 'ECONNRESET' ? undefined : 'nothing';
  }
}
