// HEALTHCHECK of the services: /healthz, which says whether they serve, also where gRPC asks for certificates.
// It lies beside dist/ in an image.
import { healthUrlOf } from './dist/shared/health-url.js';

const url = healthUrlOf(process.env.GOLDDIFF_METRICS_LISTEN ?? '127.0.0.1:9464');
try {
  const answer = await fetch(url, { signal: AbortSignal.timeout(4_000) });
  process.stdout.write(await answer.text());
  process.exitCode = answer.ok ? 0 : 1;
} catch (error) {
  process.stdout.write(`no answer from ${url}: ${error.cause?.code ?? error.message}\n`);
  process.exitCode = 1;
}
