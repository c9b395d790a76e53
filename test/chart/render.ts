/** Helm itself on the chart of this repository, and what it renders as objects. */

import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { parse, parseAllDocuments } from 'yaml';
import { packageRoot } from '../../shared/package-root.js';
import type { KubeObject } from './objects.js';

export const chartFolder = path.join(packageRoot, 'helm/golddiff');
const HELM_TIMEOUT_MS = 60_000;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

interface HelmModule {
  readonly helm: () => Promise<{ program?: string; missing?: string }>;
}

/** The program, or why there is none. */
export async function findHelm(): Promise<{ program?: string; missing?: string }> {
  const { helm } = (await import(path.join(packageRoot, 'scripts/helm.mjs'))) as HelmModule;
  return helm();
}

const found = await findHelm();
/** Reason of a skip; undefined where Helm is there. */
export const helmMissing = found.missing;

/** Runs helm; rejects with its own words on stderr. */
export async function helm(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(found.program!, args, { timeout: HELM_TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX });
}

export async function template(valuesFile: string, ...args: string[]): Promise<KubeObject[]> {
  const { stdout } = await helm('template', 'golddiff', chartFolder, '--namespace', 'science', '-f', valuesFile, ...args);
  return objectsIn(stdout);
}

export function objectsIn(text: string): KubeObject[] {
  return parseAllDocuments(text).flatMap((document) => {
    if (document.errors.length > 0) throw document.errors[0]!;
    const object = document.toJS() as KubeObject | null;
    return object === null ? [] : [object];
  });
}

/** name -> path of the values files of the matrix. */
export const matrix: ReadonlyMap<string, string> = new Map(
  readdirSync(path.join(chartFolder, 'ci'))
    .sort()
    .map((file) => [file.replace(/-values\.yaml$/, ''), path.join(chartFolder, 'ci', file)]),
);

export function defaultValues(): Record<string, unknown> {
  return parse(readFileSync(path.join(chartFolder, 'values.yaml'), 'utf8')) as Record<string, unknown>;
}

export function named(objects: readonly KubeObject[], kind: string, name: string): KubeObject {
  const object = objects.find((o) => o.kind === kind && o.metadata.name === name);
  if (object === undefined) throw new Error(`no ${kind} ${name} among ${objects.map((o) => `${o.kind} ${o.metadata.name}`).join(', ')}`);
  return object;
}
