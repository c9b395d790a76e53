// HEALTHCHECK of the services: /healthz, which says whether they serve, also where gRPC asks for certificates.
const listen = process.env.GOLDDIFF_METRICS_LISTEN ?? '127.0.0.1:9464';
const url = `http://${listen.replace(/^0\.0\.0\.0:/, '127.0.0.1:').replace(/^\[::\]:/, '[::1]:')}/healthz`;
try {
  const answer = await fetch(url, { signal: AbortSignal.timeout(4_000) });
  process.stdout.write(await answer.text());
  process.exitCode = answer.ok ? 0 : 1;
} catch (error) {
  process.stdout.write(`no answer from ${url}: ${error.cause?.code ?? error.message}\n`);
  process.exitCode = 1;
}
