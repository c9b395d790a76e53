import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultsOf, filledIn, knownSeries, readDashboards, readRules, type Panel } from '../support/operations-files.js';
import { promtoolMissing, promtoolRules } from '../support/prometheus.js';
import { seriesIn } from '../support/promql.js';

const dashboards = readDashboards();
const rules = readRules();
const known = knownSeries(rules);
const isRow = ({ type }: Panel): boolean => type === 'row';
const panels = dashboards.flatMap((dashboard) => dashboard.panels.filter((panel) => !isRow(panel)).map((panel) => ({ dashboard, panel })));
const expressions = panels.flatMap(({ dashboard, panel }) =>
  (panel.targets ?? []).map(({ expr, refId }) => ({ name: `${dashboard.file}: ${panel.title} ${refId}`, expr })),
);
/** Shown by nothing, each with the reason. */
const UNSHOWN: Record<string, string> = {
  golddiff_worker_open_steps_max: 'a constant of a release; the panel of open steps has it as its line',
};

test('the five dashboards are there, each known by its uid', () => {
  assert.deepEqual(
    dashboards.map(({ file, uid }) => [file, uid]),
    ['denoising', 'devices', 'jobs', 'overview', 'shards'].map((name) => [`${name}.json`, `golddiff-${name}`]),
  );
});

test('every series and every label that a dashboard names is one that a process has', () => {
  assert.ok(expressions.length > 100, 'the files are found');
  const wrong = expressions.flatMap(({ name, expr }) => faultsOf(expr, known).map((fault) => `${name}: ${fault}`));
  const others = dashboards.flatMap(({ file, annotations, templating }) => [
    ...annotations.list.flatMap(({ expr }) => faultsOf(expr, known).map((fault) => `${file}: ${fault}`)),
    ...templating.list.flatMap(({ definition }) => {
      const of = definition === undefined ? undefined : /^label_values\((.*), (\w+)\)$/.exec(definition);
      return of ? faultsOf(`sum by (${of[2]}) (${of[1]})`, known).map((fault) => `${file}: ${fault}`) : [];
    }),
  ]);
  assert.deepEqual([...wrong, ...others], []);
});

test('that check can fail: an unknown series, label, value, grouping', () => {
  assert.deepEqual(faultsOf('golddiff_coordinator_queue_deepness', known), ['there is no series golddiff_coordinator_queue_deepness']);
  assert.deepEqual(faultsOf('golddiff_coordinator_queue_depth{phase="x"}', known), ['golddiff_coordinator_queue_depth has no label phase']);
  assert.deepEqual(faultsOf('golddiff_coordinator_jobs{state="succeded"}', known), ['state of golddiff_coordinator_jobs is never succeded']);
  assert.deepEqual(faultsOf('rate(golddiff_coordinator_requests_total{code=~"OK|SOME.*"}[5m])', known), [
    'code of golddiff_coordinator_requests_total is never SOME.*',
  ]);
  assert.deepEqual(faultsOf('sum by (worker) (golddiff_worker_partitions_held)', known), ['none of its series has the label worker']);
  assert.deepEqual(faultsOf('golddiff_coordinator_golden_rows', known), ['there is no series golddiff_coordinator_golden_rows']);
  assert.deepEqual(faultsOf('up{job="golddiff-worker"}', known), ['job of up is never golddiff-worker']);
});

test('promtool parses every expression', { skip: promtoolMissing }, () => {
  assert.deepEqual(promtoolRules(expressions.map(({ expr }) => filledIn(expr, '5m'))), { status: 0, found: expressions.length });
  assert.equal(promtoolRules(['sum by (le (up)']).status, 1);
});

test('every panel says what it shows, in which unit and what is too much, and asks the chosen Prometheus', () => {
  const chosen = { type: 'prometheus', uid: '${datasource}' };
  for (const { dashboard, panel } of panels) {
    const name = `${dashboard.file}: ${panel.title}`;
    assert.ok((panel.description ?? '').length >= 15, `${name} has a description`);
    assert.ok(panel.fieldConfig?.defaults.unit, `${name} has a unit`);
    assert.ok((panel.fieldConfig?.defaults.thresholds?.steps.length ?? 0) > 0, `${name} has thresholds`);
    assert.ok((panel.targets?.length ?? 0) > 0, `${name} asks for something`);
    assert.deepEqual([panel.datasource, ...panel.targets!.map(({ datasource }) => datasource)], Array(panel.targets!.length + 1).fill(chosen), name);
  }
});

test('panels have numbers of their own, lie within the width, and none covers another', () => {
  for (const { file, panels: all } of dashboards) {
    assert.equal(new Set(all.map(({ id }) => id)).size, all.length, file);
    const cells = new Set<string>();
    for (const { title, gridPos } of all) {
      assert.ok(gridPos.x + gridPos.w <= 24, `${file}: ${title}`);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.ok(!cells.has(`${x} ${y}`), `${file}: ${title} covers another`);
          cells.add(`${x} ${y}`);
        }
    }
  }
});

test('a dashboard can be narrowed to a cluster, and those of processes to some of them; every variable that is used is there', () => {
  for (const { file, panels: all, templating } of dashboards) {
    const names = templating.list.map(({ name }) => name);
    assert.deepEqual(names.slice(0, 2), ['datasource', 'cluster'], file);
    for (const { type, allValue, name } of templating.list) if (type === 'query') assert.equal(allValue, '.*', `${file}: ${name}`);
    const text = JSON.stringify(all);
    const used = new Set([...text.matchAll(/\$\{?(\w+)/g)].map(([, name]) => name!));
    used.delete('__rate_interval');
    assert.deepEqual([...used].sort(), [...names].sort(), file);
    for (const { targets = [], title } of all)
      for (const { expr } of targets)
        for (const { metric, matchers } of seriesIn(expr).selectors)
          assert.ok(
            matchers.some(({ label, value }) => label === 'cluster' && value === '$cluster'),
            `${file}: ${title}: ${metric}`,
          );
  }
});

test('every metric of ours is in a panel or a rule, or it is said why not', () => {
  const used = new Set([...expressions, ...rules].flatMap(({ expr }) => seriesIn(expr).selectors.map(({ metric }) => metric)));
  const base = (name: string): string => name.replace(/_(bucket|sum|count)$/, '');
  const shown = new Set([...used].flatMap((name) => [name, base(name)]));
  const idle = [...known.keys()].filter((name) => name.startsWith('golddiff_') && !shown.has(name) && !shown.has(base(name)));
  assert.deepEqual(idle.sort(), Object.keys(UNSHOWN).sort());
});
