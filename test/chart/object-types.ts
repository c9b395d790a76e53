/**
 * Rendered objects against the types of Kubernetes and of the operators: values by the validators of kubernetes-models, which are made from the published schemas; fields that no type
 * has by the TypeScript compiler, for which an unknown field of an object literal is an error.
 */

import path from 'node:path';
import ts from 'typescript';
import { packageRoot } from '../../shared/package-root.js';
import type { KubeObject } from './objects.js';

/** Group to the package that has its types; the others are Kubernetes' own. */
const PACKAGES: Readonly<Record<string, string>> = {
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator',
  'keda.sh': '@kubernetes-models/keda',
  'gateway.networking.k8s.io': '@kubernetes-models/gateway-api',
  'cert-manager.io': '@kubernetes-models/cert-manager',
};

type Model = new (data: KubeObject) => { validate(): void };

function moduleOf({ apiVersion, kind }: KubeObject): string {
  const group = apiVersion.includes('/') ? apiVersion.split('/')[0]! : '';
  return `${PACKAGES[group] ?? 'kubernetes-models'}/${apiVersion}/${kind}`;
}

/** What is wrong with the values of an object, in one sentence each. */
export async function wrongValues(object: KubeObject): Promise<string[]> {
  const models = (await import(moduleOf(object))) as Record<string, Model>;
  const model = models[object.kind];
  if (model === undefined) return [`${object.apiVersion} ${object.kind} is not a type that is known`];
  try {
    new model(object).validate();
    return [];
  } catch (error) {
    return [`${object.kind} ${object.metadata.name}: ${(error as Error).message}`];
  }
}

/** Fields that their type does not have and other errors of types, with the line of the object that they are in. */
export function wrongFields(objects: readonly KubeObject[]): string[] {
  // Within the package, so that its modules are found; it is never written.
  const file = path.join(packageRoot, 'rendered-objects.ts');
  const kinds = [...new Map(objects.map((o) => [moduleOf(o), o.kind])).entries()];
  const alias = new Map(kinds.map(([module], i) => [module, `T${i}`]));
  const text = [
    ...kinds.map(([module, kind]) => `import type { I${kind} as ${alias.get(module)} } from '${module}';`),
    ...objects.map((object, i) => `export const o${i}: ${alias.get(moduleOf(object))} = ${JSON.stringify(object, undefined, 1)};`),
  ].join('\n');
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const disk = ts.createCompilerHost(options);
  host.getSourceFile = (name, ...rest) =>
    name === file ? ts.createSourceFile(name, text, ts.ScriptTarget.ES2022, true) : disk.getSourceFile(name, ...rest);
  host.fileExists = (name) => name === file || disk.fileExists(name);
  host.readFile = (name) => (name === file ? text : disk.readFile(name));
  const program = ts.createProgram([file], options, host);
  return ts.getPreEmitDiagnostics(program).map((diagnostic) => {
    const at = diagnostic.file === undefined ? 0 : ts.getLineAndCharacterOfPosition(diagnostic.file, diagnostic.start ?? 0).line;
    const lines = text.split('\n');
    const first = lines.slice(0, at + 1).findLastIndex((line) => line.startsWith('export const o'));
    const object = objects[Number(/o(\d+)/.exec(lines[first] ?? '')?.[1])];
    return `${object?.kind} ${object?.metadata.name}: ${lines[at]?.trim()}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ')}`;
  });
}
