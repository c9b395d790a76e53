/**
 * The real configuration and rules, with short times, so that a test sees in seconds what takes minutes: scraped every two seconds, rates over ten
 * seconds, and every alert after one second. Nothing else is changed: not an expression, a threshold or a label.
 */

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import { packageRoot } from '../../shared/package-root.js';
import { RULES_FOLDER } from '../support/operations-files.js';

export const SHORT_WINDOW = '10s';
/** A scrape may take as long; without NATS a coordinator waits for it within one. */
const SHORT_INTERVAL = '2s';
const SHORT_FOR = '1s';

export function withShortTimes(text: string): string {
  return text
    .replace(/^(\s*(?:scrape_interval|evaluation_interval): )\d+[smh]$/gm, `$1${SHORT_INTERVAL}`)
    .replace(/^(\s*for: )\d+[smh]$/gm, `$1${SHORT_FOR}`)
    .replace(/\[\d+[smh]\]/g, `[${SHORT_WINDOW}]`);
}

export interface Targets {
  /** host:port of each /metrics */
  readonly coordinators: readonly string[];
  readonly workers: readonly string[];
}

/** Files for startPrometheus: those of deploy/prometheus, with the targets of a test in the place of the examples. */
export function prometheusFiles({ coordinators, workers }: Targets): Record<string, string> {
  const config = readFileSync(path.join(packageRoot, 'deploy/prometheus/prometheus.yaml'), 'utf8');
  const rules = readdirSync(RULES_FOLDER).map((name) => [`rules/${name}`, withShortTimes(readFileSync(path.join(RULES_FOLDER, name), 'utf8'))]);
  const targets = (addresses: readonly string[]): string => `${stringify([{ labels: { cluster: 'golddiff' }, targets: addresses }])}`;
  return {
    'prometheus.yaml': withShortTimes(config),
    'targets/coordinators.yaml': targets(coordinators),
    'targets/shard-workers.yaml': targets(workers),
    ...(Object.fromEntries(rules) as Record<string, string>),
  };
}
