import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { packageRoot } from '../../shared/package-root.js';
import { faultsOf, knownSeries, readDashboards, readRules, RULES_FOLDER } from '../support/operations-files.js';
import { promtool, promtoolMissing } from '../support/prometheus.js';
import { seriesIn } from '../support/promql.js';

const rules = readRules();
const known = knownSeries(rules);
const alerts = rules.filter(({ alert }) => alert !== undefined);
const records = rules.filter(({ record }) => record !== undefined);
const CASES = path.join(packageRoot, 'deploy/prometheus/tests/alerts.yaml');
const SEVERITIES = ['critical', 'warning', 'info'];

/** As a page makes anchors of its headings. */
function anchors(markdown: string): string[] {
  return [...markdown.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  );
}

test('every series and every label that a rule names is one that a process has, or that a rule before it records', () => {
  assert.ok(alerts.length > 15 && records.length > 5, 'the files are found');
  const wrong = rules.flatMap((rule) => faultsOf(rule.expr, known).map((fault) => `${rule.alert ?? rule.record}: ${fault}`));
  assert.deepEqual(wrong, []);
});

test('alerts are named, graded and worded, and each leads to its section of the runbook', () => {
  const names = alerts.map(({ alert }) => alert!);
  assert.equal(new Set(names).size, names.length);
  const runbook = readFileSync(path.join(packageRoot, 'docs/OPERATIONS.md'), 'utf8');
  const section = runbook.slice(runbook.indexOf('## What each alert means'), runbook.indexOf('\n## Limits'));
  for (const { alert, labels, annotations } of alerts) {
    assert.match(alert!, /^Golddiff[A-Z]\w+$/);
    assert.ok(SEVERITIES.includes(labels?.['severity'] ?? ''), alert);
    assert.ok((annotations?.['summary'] ?? '').length > 10 && (annotations?.['description'] ?? '').length > 30, alert);
    assert.equal(annotations?.['runbook_url'], `docs/OPERATIONS.md#${alert!.toLowerCase()}`);
  }
  assert.deepEqual(
    anchors(section).slice(1),
    names.map((name) => name.toLowerCase()),
    'a section for each alert, in the order of the rules, and none for others',
  );
  for (const { alert, labels } of alerts)
    assert.equal(
      new RegExp(`### ${alert}\nCritical\\. `).test(section),
      labels?.['severity'] === 'critical',
      `the runbook says of ${alert} whether it is critical`,
    );
});

test('no label of an alert has as many values as there are requests, and words name only labels that the expression keeps', () => {
  for (const { alert, expr, annotations, labels } of alerts) {
    assert.deepEqual(Object.keys(labels ?? {}), ['severity'], alert);
    const kept = seriesIn(expr);
    const own = kept.selectors.flatMap(({ metric }) => [...(known.get(metric)?.keys() ?? [])]);
    const named = [...JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label!);
    for (const label of named) assert.ok(kept.grouping.length > 0 ? kept.grouping.includes(label) : own.includes(label), `${alert}: ${label}`);
  }
});

test('every recorded series is used by a dashboard or an alert, and is named level:metric:operation', () => {
  const used = new Set(
    [
      ...rules.map(({ expr }) => expr),
      ...readDashboards().flatMap(({ panels }) => panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))),
    ].flatMap((expr) => seriesIn(expr).selectors.map(({ metric }) => metric)),
  );
  for (const { record } of records) {
    assert.match(record!, /^golddiff:\w+:\w+$/);
    assert.ok(used.has(record!), `${record} is used`);
  }
});

test('promtool takes the rules and the configuration, targets included', { skip: promtoolMissing }, () => {
  const checked = promtool('check', 'config', path.join(packageRoot, 'deploy/prometheus/prometheus.yaml'));
  assert.equal(checked.status, 0, checked.output);
  assert.ok(checked.output.includes(`${alerts.length} rules found`) && checked.output.includes(`${records.length} rules found`), checked.output);
  const names = ['alerts.yaml', 'recording.yaml'].map((name) => path.join(RULES_FOLDER, name));
  assert.equal(promtool('check', 'rules', '--lint=all', '--lint-fatal', ...names).status, 0);
});

test('every alert fires when it should and stays quiet when it should not, on series made for it', { skip: promtoolMissing }, () => {
  const { tests } = parse(readFileSync(CASES, 'utf8')) as { tests: { alert_rule_test?: { alertname: string; exp_alerts: unknown[] }[] }[] };
  const cases = tests.flatMap(({ alert_rule_test = [] }) => alert_rule_test);
  for (const { alert } of alerts) {
    const own = cases.filter(({ alertname }) => alertname === alert);
    assert.ok(
      own.some(({ exp_alerts }) => exp_alerts.length > 0) && own.some(({ exp_alerts }) => exp_alerts.length === 0),
      `${alert} has both cases`,
    );
  }
  const { status, output } = promtool('test', 'rules', CASES);
  assert.equal(status, 0, output);
});
