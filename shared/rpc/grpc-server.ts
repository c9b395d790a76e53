/**
 * A gRPC server with what every server of ours has: health (grpc.health.v1, per service and as a whole), reflection, limits, keepalive, and an
 * orderly end. Draining: health says NOT_SERVING, no new connection is taken, calls under way end, and what is left after the timeout is cut.
 */

import {
  logVerbosity,
  Server,
  ServerCredentials,
  setLogVerbosity,
  type ServiceDefinition,
  type status as GrpcStatus,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { GolddiffError } from '../errors.js';
import { DRAIN_GRACE_MS, KEEPALIVE_TIME_MS, KEEPALIVE_TIMEOUT_MS } from '../limits.js';
import type { Logger } from '../log.js';
import type { TlsFiles } from '../tls/tls-files.js';
import type { Span, Tracing } from '../tracing.js';
import { bindCall, type CallScope } from './handlers.js';
import { reflectionDefinition } from './proto-package.js';
import { setReceiveWindow } from './receive-window.js';
import { logRefusedHandshakes } from './refused-handshakes.js';
import { TlsServerCredentials } from './server-tls.js';

/** Health of the process as such: SERVING for as long as it answers, also while it loads or drains. What asks whether to start it anew asks for this one. */
export const LIVE_SERVICE = 'live';

export interface GrpcServerSettings {
  /** host:port; port 0 takes any free one */
  readonly listen: string;
  readonly services: readonly { readonly service: ServiceDefinition; readonly implementation: UntypedServiceImplementation }[];
  readonly log: Logger;
  /** largest message either way; beyond it RESOURCE_EXHAUSTED */
  readonly messageBytesMax: number;
  /** what a caller may send before it has to wait; HTTP/2's own 64 KiB where absent */
  readonly windowBytes?: number;
  /** with a certificate; absent = plain text */
  readonly tls?: TlsFiles | undefined;
  /** Called when a call of these services has ended; `method` is "Service/Method". */
  readonly onCallEnd?: (call: EndedCall) => void;
  /** absent = calls are not traced */
  readonly tracing?: Tracing | undefined;
}

export interface EndedCall {
  readonly method: string;
  readonly code: GrpcStatus;
  readonly seconds: number;
  readonly span?: Span | undefined;
}

export interface GrpcServer {
  /** host:port that clients reach, with the port that was taken */
  readonly address: string;
  /** calls of the given services under way */
  readonly openCalls: number;
  setServing(serving: boolean): void;
  /** Ends in order, by force after the timeout. Resolves when the last connection is gone; false = some calls were cut. */
  drain(timeoutMs: number): Promise<boolean>;
  /** Cuts every call now. */
  forceStop(): void;
}

/** Errors: ADDRESS_IN_USE; ARGUMENT_INVALID for an address that cannot be bound. */
export async function startGrpcServer(settings: GrpcServerSettings): Promise<GrpcServer> {
  const server = new Server({
    'grpc.max_receive_message_length': settings.messageBytesMax,
    'grpc.max_send_message_length': settings.messageBytesMax,
    'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  });
  if (settings.windowBytes !== undefined) setReceiveWindow(server, settings.windowBytes);
  const names = settings.services.map(({ service }) => serviceName(service));
  const health = new HealthImplementation();
  const setServing = (serving: boolean): void => {
    for (const name of ['', ...names]) health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  };
  health.setStatus(LIVE_SERVICE, 'SERVING');
  setServing(true);

  const drainStart = new AbortController();
  let openCalls = 0;
  let onIdle: (() => void) | undefined;
  const scope: CallScope = {
    log: settings.log,
    draining: drainStart.signal,
    tracing: settings.tracing,
    onStart: () => void openCalls++,
    onEnd: (path, code, seconds, span) => {
      openCalls--;
      settings.onCallEnd?.({ method: path.slice(path.lastIndexOf('.') + 1), code, seconds, span });
      if (openCalls === 0) onIdle?.();
    },
  };
  for (const { service, implementation } of settings.services) server.addService(service, bound(implementation, scope));
  health.addToServer(server);
  new ReflectionService(reflectionDefinition(), { services: names }).addToServer(server);

  const credentials = settings.tls === undefined ? undefined : new TlsServerCredentials(settings.tls);
  if (credentials !== undefined) logRefusedHandshakes(server, settings.log);
  const port = await bind(server, settings.listen, credentials ?? ServerCredentials.createInsecure()).catch((error: unknown) => {
    credentials?.close();
    throw error;
  });
  const address = `${settings.listen.slice(0, settings.listen.lastIndexOf(':'))}:${port}`;

  return {
    address,
    get openCalls() {
      return openCalls;
    },
    setServing,
    drain: async (timeoutMs) => {
      setServing(false);
      credentials?.close();
      drainStart.abort();
      const closed = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      const idle = openCalls === 0 ? Promise.resolve() : new Promise<void>((resolve) => (onIdle = resolve));
      let timer: NodeJS.Timeout | undefined;
      const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)));
      await Promise.race([closed, idle, timeout]);
      clearTimeout(timer);
      const whole = openCalls === 0;
      if (!whole) settings.log.warn({ openCalls }, 'drain timed out, calls are cut');
      // Health watchers and reflection streams never end by themselves.
      if (whole) await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, DRAIN_GRACE_MS))]);
      server.forceShutdown();
      await closed;
      return whole;
    },
    forceStop: () => {
      setServing(false);
      credentials?.close();
      drainStart.abort();
      server.forceShutdown();
    },
  };
}

/** Full name of a service, from the path of any of its methods. */
function serviceName(service: ServiceDefinition): string {
  const path = Object.values(service)[0]?.path ?? '';
  return path.split('/')[1] ?? '';
}

function bound(implementation: UntypedServiceImplementation, scope: CallScope): UntypedServiceImplementation {
  const entries = Object.entries(implementation).map(([name, handler]) => {
    const tied = (call: object, ...rest: unknown[]): void => {
      bindCall(call, scope);
      (handler as (call: object, ...rest: unknown[]) => void)(call, ...rest);
    };
    return [name, tied as UntypedServiceImplementation[string]] as const;
  });
  return Object.fromEntries(entries);
}

function bind(server: Server, listen: string, credentials: ServerCredentials): Promise<number> {
  // grpc-js would print a line of its own beside the error that the caller tells.
  const quiet = process.env['GRPC_VERBOSITY'] === undefined;
  if (quiet) setLogVerbosity(logVerbosity.NONE);
  return new Promise((resolve, reject) => {
    server.bindAsync(listen, credentials, (error, port) => {
      if (quiet) setLogVerbosity(logVerbosity.ERROR);
      if (error === null) return resolve(port);
      server.forceShutdown();
      reject(listenError(listen, error));
    });
  });
}

/** Why an address could not be listened on, for any kind of server. */
export function listenError(listen: string, error: Error): GolddiffError {
  if (/EADDRINUSE/.test(error.message))
    return new GolddiffError('ADDRESS_IN_USE', `Expected a free port for ${listen} but another process listens there`, {}, { cause: error });
  return new GolddiffError(
    'ARGUMENT_INVALID',
    `Expected an address of this machine for ${listen} but received: ${error.message.split('\n', 1)[0]}`,
    { field: 'listen' },
    { cause: error },
  );
}
