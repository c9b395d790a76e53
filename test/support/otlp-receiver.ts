/** A collector of traces on the loopback: takes OTLP over HTTP as JSON, and keeps the spans. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** '' at the root */
  readonly parentSpanId: string;
  readonly name: string;
  /** service.name of the process */
  readonly service: string;
  /** service.instance.id */
  readonly instance: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly failed: boolean;
}

export interface OtlpReceiver {
  /** http://127.0.0.1:port */
  readonly url: string;
  readonly spans: ReceivedSpan[];
  /** answers with this status from now on */
  status: number;
  close(): Promise<void>;
}

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string };
}
interface Sent {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly SentSpan[] }[];
  }[];
}
interface SentSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status?: { readonly code?: number };
}

const STATUS_ERROR = 2;
const NANOS_IN_MS = 1e6;

export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (request.url === '/v1/traces' && receiver.status === 200)
        receiver.spans.push(...spansOf(JSON.parse(Buffer.concat(chunks).toString()) as Sent));
      response.writeHead(receiver.status, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const receiver: OtlpReceiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans: [],
    status: 200,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return receiver;
}

function spansOf({ resourceSpans }: Sent): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const attribute = (key: string): string => resource.attributes.find((each) => each.key === key)?.value.stringValue ?? '';
    const [service, instance] = [attribute('service.name'), attribute('service.instance.id')];
    return scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId ?? '',
        name: span.name,
        service,
        instance,
        startMs: Number(span.startTimeUnixNano) / NANOS_IN_MS,
        endMs: Number(span.endTimeUnixNano) / NANOS_IN_MS,
        failed: span.status?.code === STATUS_ERROR,
      })),
    );
  });
}
