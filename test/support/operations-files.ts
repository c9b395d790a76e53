/** The dashboards and rules of deploy/, and what is wrong with the expressions in them: series and labels that no process has. */

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { COMMON_METRICS, COORDINATOR_METRICS, WORKER_METRICS, type Definition } from '../../shared/metric-tables.js';
import { createMetrics } from '../../shared/metrics.js';
import { packageRoot } from '../../shared/package-root.js';
import { seriesIn, type Matcher } from './promql.js';

export const RULES_FOLDER = path.join(packageRoot, 'deploy/prometheus/rules');
export const DASHBOARDS_FOLDER = path.join(packageRoot, 'deploy/grafana/dashboards');

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: unknown;
  readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly datasource: unknown }[];
  readonly fieldConfig?: {
    readonly defaults: { readonly unit?: string; readonly thresholds?: { readonly steps: readonly { readonly value: number | null }[] } };
  };
}

export interface Dashboard {
  readonly file: string;
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly panels: readonly Panel[];
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly definition?: string; readonly allValue?: string }[];
  };
}

export interface Rule {
  readonly file: string;
  readonly group: string;
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export function readDashboards(): Dashboard[] {
  return readdirSync(DASHBOARDS_FOLDER)
    .sort()
    .map((file) => ({ ...(JSON.parse(readFileSync(path.join(DASHBOARDS_FOLDER, file), 'utf8')) as Omit<Dashboard, 'file'>), file }));
}

export function readRules(): Rule[] {
  return readdirSync(RULES_FOLDER)
    .sort()
    .flatMap((file) => {
      const { groups } = parse(readFileSync(path.join(RULES_FOLDER, file), 'utf8')) as { groups: { name: string; rules: Rule[] }[] };
      return groups.flatMap(({ name, rules }) => rules.map((rule) => ({ ...rule, file, group: name })));
    });
}

/** An expression of a panel as Grafana would send it, over all clusters and processes. @param window in place of $__rate_interval */
export function filledIn(expression: string, window: string): string {
  return expression.replaceAll('$__rate_interval', window).replaceAll(/"\$(cluster|worker|coordinator)"/g, '".*"');
}

/** Labels of a series, each with the values that it may take; [] = any. */
type Labels = ReadonlyMap<string, readonly string[]>;

const TARGET_LABELS = ['job', 'instance', 'cluster'] as const;
const JOBS = ['golddiff-coordinator', 'golddiff-shard-worker'];

/** Series by name: of both processes, of Prometheus itself, and those that rules record. */
export function knownSeries(rules: readonly Rule[]): Map<string, Labels> {
  const target = TARGET_LABELS.map((label) => [label, label === 'job' ? JOBS : []] as const);
  const known = new Map<string, Labels>([
    ['up', new Map(target)],
    ['ALERTS', new Map([...target, ['alertname', []], ['alertstate', ['pending', 'firing']], ['severity', ['critical', 'warning', 'info']]])],
  ]);
  const definitions = new Map(
    [COMMON_METRICS, COORDINATOR_METRICS, WORKER_METRICS].flatMap((table) => Object.values<Definition>(table).map((each) => [each.name, each])),
  );
  for (const { registry } of [createMetrics('coordinator'), createMetrics('shard-worker')]) {
    for (const metric of registry.getMetricsAsArray()) {
      const { name, labelNames } = metric as unknown as { name: string; labelNames: string[] };
      const labels = [...target, ...labelNames.map((label) => [label, definitions.get(name)?.values[label] ?? []] as const)];
      const isHistogram = 'upperBounds' in metric;
      if (!isHistogram) known.set(name, new Map(labels));
      else {
        known.set(`${name}_bucket`, new Map([...labels, ['le', []]]));
        known.set(`${name}_sum`, new Map(labels));
        known.set(`${name}_count`, new Map(labels));
      }
    }
  }
  for (const { record, expr } of rules) {
    if (record === undefined) continue;
    const { grouping, selectors } = seriesIn(expr);
    const kept = grouping.length > 0 ? grouping.filter((label) => label !== 'le') : [...TARGET_LABELS];
    known.set(record, new Map(kept.map((label) => [label, selectors.flatMap(({ metric }) => known.get(metric)?.get(label) ?? [])])));
  }
  return known;
}

/** Why an expression could never give what it says, one sentence each. */
export function faultsOf(expression: string, known: ReadonlyMap<string, Labels>): string[] {
  const { selectors, grouping } = seriesIn(expression);
  const faults: string[] = [];
  if (selectors.length === 0 && !expression.includes('vector(')) faults.push('it names no series');
  for (const { metric, matchers } of selectors) {
    const labels = known.get(metric);
    if (labels === undefined) faults.push(`there is no series ${metric}`);
    else for (const matcher of matchers) faults.push(...matcherFaults(metric, labels, matcher));
  }
  const all = new Set(selectors.flatMap(({ metric }) => [...(known.get(metric)?.keys() ?? [])]));
  for (const label of grouping) if (!all.has(label)) faults.push(`none of its series has the label ${label}`);
  return faults;
}

function matcherFaults(metric: string, labels: Labels, { label, operator, value }: Matcher): string[] {
  const allowed = labels.get(label);
  if (allowed === undefined) return [`${metric} has no label ${label}`];
  if (allowed.length === 0 || /^\$\w+$/.test(value)) return [];
  const isRegex = operator.endsWith('~');
  const alternatives = isRegex ? value.split('|') : [value];
  return alternatives
    .filter((one) => !(isRegex ? allowed.some((each) => new RegExp(`^(?:${one})$`).test(each)) : allowed.includes(one)))
    .map((one) => `${label} of ${metric} is never ${one}`);
}
