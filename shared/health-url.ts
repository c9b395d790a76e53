/**
 * Where a process on this machine asks a service for its health. It imports nothing: the HEALTHCHECK of the images loads it every few seconds.
 * @param listen host:port of --metrics-listen; what listens on every address is asked on the machine itself
 */
export function healthUrlOf(listen: string): string {
  return `http://${listen.replace(/^0\.0\.0\.0:/, '127.0.0.1:').replace(/^\[::\]:/, '[::1]:')}/healthz`;
}
