/** promtool and Prometheus of the system, as child processes. */

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { freePorts } from './free-ports.js';
import { until } from './until.js';

const isThere = (program: string): boolean => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
const HOW = '(Debian: apt-get install prometheus)';
/** Why tests that need them skip; undefined where they are installed. */
export const promtoolMissing: string | undefined = isThere('promtool') ? undefined : `promtool is not installed ${HOW}`;
export const prometheusMissing: string | undefined = isThere('prometheus') ? undefined : `prometheus is not installed ${HOW}`;

const START_TIMEOUT_MS = 60_000;

export interface PromtoolResult {
  readonly status: number | null;
  readonly output: string;
}

export function promtool(...args: readonly string[]): PromtoolResult {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
}

/** Has promtool read expressions as recording rules; `found` is how many it took. */
export function promtoolRules(expressions: readonly string[]): { status: number | null; found: number } {
  const folder = mkdtempSync(path.join(tmpdir(), 'golddiff-rules-'));
  try {
    const file = path.join(folder, 'rules.yaml');
    const rules = expressions.map((expr, i) => ({ record: `checked:${i}`, expr }));
    writeFileSync(file, stringify({ groups: [{ name: 'checked', rules }] }));
    const { status, output } = promtool('check', 'rules', file);
    return { status, found: Number(/(\d+) rules found/.exec(output)?.[1] ?? 0) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface RunningPrometheus {
  /** http://127.0.0.1:port */
  readonly url: string;
  /** Samples of an instant query; those that are no number are left out. @throws what Prometheus says of a wrong expression */
  query(expression: string): Promise<Sample[]>;
  /** Alerts that fire, each with its labels. */
  firing(): Promise<Readonly<Record<string, string>>[]>;
  get(path: string): Promise<unknown>;
  stop(): Promise<void>;
}

/** Files of a folder by name; prometheus.yaml is the configuration. */
export async function startPrometheus(files: Readonly<Record<string, string>>): Promise<RunningPrometheus> {
  const folder = mkdtempSync(path.join(tmpdir(), 'golddiff-prometheus-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
  const [port] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const args = [`--config.file=${folder}/prometheus.yaml`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`];
  const child = spawn('prometheus', [...args, '--enable-feature=exemplar-storage', '--log.level=warn'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const lines: string[] = [];
  child.stderr.on('data', (chunk: Buffer) => lines.push(chunk.toString()));
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const stop = async (): Promise<void> => {
    await ended(child);
    process.removeListener('exit', kill);
    rmSync(folder, { recursive: true, force: true });
  };
  const get = async (where: string): Promise<unknown> => (await fetch(`${url}${where}`)).json();
  const isReady = async (): Promise<boolean> => {
    if (child.exitCode !== null) throw new Error(`prometheus ended with status ${child.exitCode}: ${lines.join('')}`);
    return fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  };
  try {
    await until(isReady, 'Prometheus is ready', START_TIMEOUT_MS);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url,
    get,
    stop,
    query: async (expression) => {
      const answer = (await get(`/api/v1/query?query=${encodeURIComponent(expression)}`)) as QueryAnswer;
      if (answer.status !== 'success') throw new Error(`${expression}: ${answer.error}`);
      const { result, resultType } = answer.data!;
      const rows = resultType === 'scalar' ? [{ metric: {}, value: result as [number, string] }] : (result as VectorRow[]);
      return rows.map(({ metric, value }) => ({ metric, value: Number(value[1]) })).filter(({ value }) => !Number.isNaN(value));
    },
    firing: async () => {
      const { data } = (await get('/api/v1/alerts')) as { data: { alerts: { state: string; labels: Record<string, string> }[] } };
      return data.alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels);
    },
  };
}

interface VectorRow {
  metric: Record<string, string>;
  value: [number, string];
}
interface QueryAnswer {
  status: string;
  error?: string;
  data?: { resultType: string; result: unknown };
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}
