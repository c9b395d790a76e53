import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { metricsText } from './metrics-text.js';
import { listenError } from './rpc/grpc-server.js';

export interface MetricsEndpointSettings {
  /** host:port, port 0 for a free one; "off" or undefined = no endpoint */
  readonly listen: string | undefined;
  readonly registry: Registry;
  /** answers whoever asks for OpenMetrics in that form, with exemplars; default false */
  readonly exemplars?: boolean;
  /** what /healthz says: 200 while true, else 503 */
  readonly healthy: () => boolean;
  /** what /healthz says beside 503; default "not serving" */
  readonly why?: () => string;
}

export interface MetricsEndpoint {
  /** host:port with the port that was taken */
  readonly address: string;
  close(): Promise<void>;
}

/** Serves GET /metrics (Prometheus text) and GET /healthz. Errors: ADDRESS_IN_USE. */
export async function startMetricsEndpoint(settings: MetricsEndpointSettings): Promise<MetricsEndpoint | undefined> {
  const listen = settings.listen;
  if (listen === undefined || listen === 'off') return undefined;
  const split = listen.lastIndexOf(':');
  const host = listen.slice(0, split).replace(/^\[(.*)\]$/, '$1');
  const server = createServer(listener(settings));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(listen, error)));
    server.listen({ host, port: Number(listen.slice(split + 1)) }, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    address: `${listen.slice(0, split)}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listener({ registry, exemplars = false, healthy, why = () => 'not serving' }: MetricsEndpointSettings): RequestListener {
  return (request, response) => {
    const answer = (status: number, type: string, body: string): void => {
      response
        .writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
        .end(request.method === 'HEAD' ? undefined : body);
    };
    const path = request.url?.split('?', 1)[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(405, 'text/plain', 'Expected GET\n');
    if (path === '/healthz') return healthy() ? answer(200, 'text/plain', 'ok\n') : answer(503, 'text/plain', `${why()}\n`);
    if (path !== '/metrics') return answer(404, 'text/plain', 'Expected /metrics or /healthz\n');
    metricsText(registry, exemplars && /\bapplication\/openmetrics-text\b/.test(request.headers.accept ?? '')).then(
      ({ type, text }) => answer(200, type, text),
      (error: unknown) => answer(500, 'text/plain', `${error instanceof Error ? error.message : String(error)}\n`),
    );
  };
}
