/**
 * Traces of requests over client, coordinators and workers: OpenTelemetry over OTLP, where an endpoint is given. Where none is there are no spans, and nothing of
 * OpenTelemetry is loaded: whoever may have a span has one or `undefined`.
 *
 * Contexts travel as W3C traceparent, in the metadata of public calls and in StepRequest. Spans are handed on in plain sight rather than by the context of the
 * async call: a stream of steps has many parents at once.
 *
 * OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG and OTEL_EXPORTER_OTLP_HEADERS of the environment mean what OpenTelemetry says; a caller's decision wins.
 */

import type { Span as OtelSpan, SpanKind } from '@opentelemetry/api';
import { TRACES_CLOSE_MS, TRACES_DELAY_MS, TRACES_EXPORT_TIMEOUT_MS, TRACES_QUEUE_MAX } from './limits.js';
import type { Logger } from './log.js';
import { packageVersion } from './package-version.js';

export type Attributes = Readonly<Record<string, string | number | boolean>>;

export interface Span {
  /** W3C: 00-<trace>-<span>-<flags> */
  readonly traceparent: string;
  /** labels of an exemplar that leads here; none where the trace is not sampled */
  readonly exemplar: Readonly<Record<string, string>>;
  child(name: string, attributes?: Attributes): Span;
  /** Idempotent. @param error why it failed */
  end(error?: unknown): void;
}

export interface Tracing {
  /** The first span of this process in a trace. @param traceparent of whoever asked; one that cannot be read is passed over */
  start(name: string, kind: 'client' | 'server' | 'internal', traceparent?: string, attributes?: Attributes): Span;
  /** Sends what is left, within a bounded time. */
  close(): Promise<void>;
}

export interface TracingSettings {
  /** http://host:port, or with a path the whole address */
  readonly endpoint: string;
  readonly component: 'client' | 'coordinator' | 'shard-worker';
  /** tells apart the processes of one component */
  readonly instance: string;
  readonly log?: Pick<Logger, 'warn' | 'info'>;
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
export const TRACEPARENT_KEY = 'traceparent';

export async function startTracing({ endpoint, component, instance, log }: TracingSettings): Promise<Tracing> {
  const [api, { BasicTracerProvider, BatchSpanProcessor }, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const exporter = new OTLPTraceExporter({ url: tracesUrl(endpoint), timeoutMillis: TRACES_EXPORT_TIMEOUT_MS });
  let reached = true;
  const noting: Pick<typeof exporter, 'export' | 'shutdown' | 'forceFlush'> = {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        const ok = result.error === undefined;
        if (ok !== reached)
          log?.[ok ? 'info' : 'warn']({ endpoint, err: result.error }, ok ? 'traces arrive again' : 'traces do not arrive; they are dropped');
        reached = ok;
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush(),
  };
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      'service.name': `golddiff-${component}`,
      'service.version': packageVersion(),
      'service.instance.id': instance,
    }),
    spanProcessors: [new BatchSpanProcessor(noting, { scheduledDelayMillis: TRACES_DELAY_MS, maxQueueSize: TRACES_QUEUE_MAX })],
  });
  const tracer = provider.getTracer('golddiff');
  const { ROOT_CONTEXT, SpanKind: Kind, SpanStatusCode, trace } = api;
  const kinds: Record<'client' | 'server' | 'internal', SpanKind> = { client: Kind.CLIENT, server: Kind.SERVER, internal: Kind.INTERNAL };

  const spanOf = (span: OtelSpan): Span => {
    const { traceId, spanId, traceFlags } = span.spanContext();
    const sampled = (traceFlags & 1) === 1;
    let over = false;
    return {
      traceparent: `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`,
      exemplar: sampled ? { trace_id: traceId, span_id: spanId } : {},
      child: (name, attributes = {}) => spanOf(tracer.startSpan(name, { attributes }, trace.setSpan(ROOT_CONTEXT, span))),
      end: (error) => {
        if (over) return;
        over = true;
        if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : 'failed' });
        span.end();
      },
    };
  };
  return {
    start: (name, kind, traceparent, attributes = {}) => {
      const parent = TRACEPARENT.exec(traceparent ?? '');
      const context =
        parent === null
          ? ROOT_CONTEXT
          : trace.setSpanContext(ROOT_CONTEXT, { traceId: parent[1]!, spanId: parent[2]!, traceFlags: parseInt(parent[3]!, 16), isRemote: true });
      return spanOf(tracer.startSpan(name, { kind: kinds[kind], attributes }, context));
    },
    close: async () => {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, TRACES_CLOSE_MS)));
      await Promise.race([provider.shutdown().catch(() => {}), late]);
      clearTimeout(timer);
    },
  };
}

/** Runs something within a span, where there is one. */
export async function within<T>(span: Span | undefined, run: () => Promise<T>): Promise<T> {
  try {
    const found = await run();
    span?.end();
    return found;
  } catch (thrown) {
    span?.end(thrown ?? 'failed');
    throw thrown;
  }
}

function tracesUrl(endpoint: string): string {
  const url = new URL(endpoint);
  if (url.pathname === '/') url.pathname = '/v1/traces';
  return url.href;
}
