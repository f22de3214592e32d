// Sends the telemetry that tests/integration/interop.py describes, through the official SDK.
// node send.mjs grpc|http/protobuf|http/json ENDPOINT SERVICE START_MS; says on stdout what it made.

import { ROOT_CONTEXT, SpanKind, SpanStatusCode, context, createTraceState, trace } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { AggregationType, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';

const [protocol, endpoint, service, startText] = process.argv.slice(2);
const kind = { grpc: 'grpc', 'http/protobuf': 'proto', 'http/json': 'http' }[protocol];
const { OTLPTraceExporter } = await import(`@opentelemetry/exporter-trace-otlp-${kind}`);
const { OTLPLogExporter } = await import(`@opentelemetry/exporter-logs-otlp-${kind}`);
const { OTLPMetricExporter } = await import(`@opentelemetry/exporter-metrics-otlp-${kind}`);

const start = Number(startText);
// For one answer: an exporter that gives up after its own ten seconds has lost what it had.
const timeoutMillis = 60_000;
const to = (signal) => ({
  url: kind === 'grpc' ? endpoint : `${endpoint}/v1/${signal}`,
  timeoutMillis,
});
const resource = resourceFromAttributes({
  'service.name': service,
  'service.version': '1.2.3',
  'host.cores': 8,
  'host.zones': ['a', 'b'],
});

function sendSpans() {
  const provider = new BasicTracerProvider({
    resource,
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter(to('traces')))],
  });
  const tracer = provider.getTracer('interop', '9.9');
  const remote = trace.setSpanContext(ROOT_CONTEXT, {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    traceFlags: 1,
    isRemote: true,
  });
  const linked = {
    context: {
      traceId: '1111222233334444aaaabbbbccccdddd',
      spanId: '5555666677778888',
      traceFlags: 1,
      traceState: createTraceState('vendor=one'),
    },
    attributes: { 'link.reason': 'follows', 'link.rank': 2 },
  };
  const root = tracer.startSpan(
    'GET /orders',
    {
      kind: SpanKind.SERVER,
      startTime: start,
      links: [linked],
      attributes: {
        text: 'naïve 日本',
        whole: 42,
        real: 0.25,
        yes: true,
        words: ['a', 'b'],
        numbers: [1, 2, 3],
      },
    },
    ROOT_CONTEXT,
  );
  root.addEvent('cache.miss', { key: 'orders', tries: 3 }, start + 5);
  const inside = trace.setSpan(ROOT_CONTEXT, root);
  const child = tracer.startSpan('SELECT orders', { kind: SpanKind.CLIENT, startTime: start + 10 }, inside);
  child.recordException({ name: 'TimeoutError', message: 'too slow', stack: 'at query' }, start + 20);
  child.setStatus({ code: SpanStatusCode.ERROR, message: 'query failed' });
  child.end(start + 30);
  root.setStatus({ code: SpanStatusCode.OK });
  root.end(start + 50);
  const orphan = tracer.startSpan('consume', { kind: SpanKind.CONSUMER, startTime: start }, remote);
  orphan.end(start + 1);
  return { provider, root: root.spanContext(), child: child.spanContext(), inside };
}

function sendLogs(inside) {
  const provider = new LoggerProvider({
    resource,
    processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter(to('logs')) })],
  });
  const logger = provider.getLogger('interop', '9.9');
  logger.emit({
    timestamp: start + 15,
    observedTimestamp: start + 16,
    severityNumber: SeverityNumber.WARN,
    severityText: 'WARN',
    body: 'stock is low',
    attributes: { item: 'lamp', left: 2 },
    context: inside,
  });
  logger.emit({
    timestamp: start + 17,
    severityNumber: SeverityNumber.INFO,
    eventName: 'order.placed',
    body: { order: 'o-1', lines: [1, 2] },
    context: ROOT_CONTEXT,
  });
  return provider;
}

function sendMetrics() {
  const exporter = new OTLPMetricExporter(to('metrics'));
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({
    resource,
    readers: [reader],
    views: [
      {
        instrumentName: 'interop.sizes',
        aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM, options: { maxSize: 20 } },
      },
    ],
  });
  const meter = provider.getMeter('interop', '9.9');
  meter.createCounter('interop.requests', { unit: '{request}', description: 'Requests' }).add(7, { route: '/a' });
  meter.createUpDownCounter('interop.active').add(-3);
  const latency = meter.createHistogram('interop.latency', { unit: 'ms', advice: { explicitBucketBoundaries: [1, 5, 10] } });
  for (const value of [0.5, 3, 7, 20]) latency.record(value, { route: '/a' });
  const sizes = meter.createHistogram('interop.sizes', { unit: 'By' });
  for (const value of [1, 2, 4, 1000]) sizes.record(value);
  meter.createGauge('interop.temperature', { unit: 'Cel' }).record(21.5, { room: 'north' });
  meter.createObservableCounter('interop.ticks').addCallback((result) => result.observe(11));
  return provider;
}

context.disable();
const spans = sendSpans();
const logs = sendLogs(spans.inside);
const metrics = sendMetrics();
await Promise.all([spans.provider.shutdown(), logs.shutdown(), metrics.shutdown()]);
console.log(
  JSON.stringify({ trace_id: spans.root.traceId, root: spans.root.spanId, child: spans.child.spanId }),
);
