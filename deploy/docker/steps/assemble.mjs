// The folder of one image, made from a built tree: the modules that its programs reach, the packages that those need and no others, the native engine and the proto files.
//   node deploy/docker/steps/assemble.mjs coordinator|shard-worker|shard-worker-cuda|tools OUT
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import path from 'node:path';

const NATIVE = 'shard-worker/native/build/Release/golddiff_native.node';
const CUDA = 'shard-worker/cuda/build/Release/golddiff_cuda.node';
/** Only on this side of the edge: the whole command is for the tools alone, and the services have its health question. */
const WHOLE_COMMAND = 'dist/client/commands/all-commands.js';
const COMMAND = 'dist/client/main.js';
const service = (name, more = []) => ({
  entries: [`dist/${name}/main.js`, 'dist/shared/pre-stop-main.js', COMMAND],
  without: [WHOLE_COMMAND],
  files: [NATIVE, ...more],
});
const IMAGES = {
  coordinator: service('coordinator'),
  'shard-worker': service('shard-worker'),
  'shard-worker-cuda': service('shard-worker', [CUDA]),
  // Embedded clusters run the services' programs.
  tools: {
    entries: [COMMAND, 'dist/coordinator/main.js', 'dist/shard-worker/main.js', 'dist/client/nats-server-main.js'],
    without: [],
    files: [NATIVE],
  },
};

const [image, out] = process.argv.slice(2);
const wanted = IMAGES[image];
if (wanted === undefined || out === undefined) {
  process.stderr.write(`assemble.mjs: Expected one of ${Object.keys(IMAGES).join(', ')} and a folder but received ${image} ${out}\n`);
  process.exit(2);
}

const ownPackage = JSON.parse(readFileSync('package.json', 'utf8'));
const { modules, packages } = reach(wanted.entries, wanted.without);
rmSync(out, { recursive: true, force: true });
for (const file of [...modules, ...wanted.files]) copy(file);
cpSync('proto/golddiff', path.join(out, 'proto/golddiff'), { recursive: true });
cpSync('deploy/docker/healthcheck.mjs', path.join(out, 'healthcheck.mjs'));
// The whole package.json would say that there are scripts to run and tools to test with.
const { name, version, type } = ownPackage;
const closure = packagesBelow(packages);
const dependencies = Object.fromEntries(
  [...closure].sort().map((folder) => [folder, JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')).version]),
);
writeFileSync(path.join(out, 'package.json'), `${JSON.stringify({ name, version, type, private: true }, null, 2)}\n`);
// For whoever makes a list of what is inside (SBOM): scanners read it too, since every package keeps its own package.json.
writeFileSync(path.join(out, 'packages.json'), `${JSON.stringify(dependencies, null, 2)}\n`);
for (const folder of closure)
  cpSync(folder, path.join(out, folder), { recursive: true, dereference: true, filter: (from) => !isBallast(folder, from) });
mkdirSync(path.join(out, 'bin'), { recursive: true });
symlinkSync(`../${COMMAND}`, path.join(out, 'bin/golddiff'));
chmodSync(path.join(out, COMMAND), 0o755);
process.stdout.write(`${image}: ${modules.size} modules, ${closure.size} packages\n`);

function copy(file) {
  if (!existsSync(file)) throw new Error(`Expected ${file} in the built tree but it is not there`);
  mkdirSync(path.dirname(path.join(out, file)), { recursive: true });
  cpSync(file, path.join(out, file));
}

/** Modules that may be loaded from the entries, by any kind of import, and the packages that they name. */
function reach(entries, without) {
  const modules = new Set();
  const packages = new Set();
  const queue = [...entries];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (modules.has(file) || without.includes(file)) continue;
    modules.add(file);
    const text = readFileSync(file, 'utf8');
    const named = text.matchAll(
      /(?:\bfrom\s*|\bimport\s*\(?\s*|new URL\(\s*|createRequire\(import\.meta\.url\)(?:\.resolve)?\(\s*)(['"])([^'"\n]+)\1/g,
    );
    for (const [, , specifier] of named) {
      if (specifier.startsWith('.')) {
        const target = path.posix.join(path.posix.dirname(file), specifier);
        if (target.endsWith('.js')) queue.push(target);
      } else if (!isBuiltin(specifier) && /^(@[\w.-]+\/)?[\w.-]+(\/|$)/.test(specifier) && !specifier.includes('://')) {
        packages.add(
          specifier
            .split('/')
            .slice(0, specifier.startsWith('@') ? 2 : 1)
            .join('/'),
        );
      }
    }
  }
  return { modules, packages };
}

function isBuiltin(specifier) {
  return specifier.startsWith('node:') || builtinModules.includes(specifier.split('/')[0]);
}

/** Folders of packages and of all that they depend on, as Node would find them. */
function packagesBelow(names) {
  const folders = new Set();
  const queue = [...names].map((wantedName) => [wantedName, '.', mayBeMissing(ownPackage, wantedName)]);
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const [wantedName, from, optional] = next;
    const folder = findPackage(wantedName, from);
    if (folder === undefined) {
      if (optional) continue;
      throw new Error(`Expected the package ${wantedName}, which ${from} needs, in node_modules but it is not there`);
    }
    if (folders.has(folder)) continue;
    folders.add(folder);
    const itself = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
    for (const each of Object.keys({ ...itself.dependencies, ...itself.optionalDependencies, ...itself.peerDependencies }))
      queue.push([each, folder, mayBeMissing(itself, each)]);
  }
  return folders;
}

/** What needs such a package says so itself. */
function mayBeMissing({ optionalDependencies = {}, peerDependenciesMeta = {} }, wantedName) {
  return wantedName in optionalDependencies || peerDependenciesMeta[wantedName]?.optional === true;
}

function findPackage(wantedName, from) {
  for (let dir = from; ; dir = path.dirname(dir)) {
    const folder = path.join(dir, 'node_modules', wantedName);
    if (path.basename(dir) !== 'node_modules' && existsSync(path.join(folder, 'package.json'))) return folder;
    if (dir === '.' || dir === '/') return undefined;
  }
}

/** What a package carries and nobody loads: nested packages have folders of their own here; maps, types and sources of native code are for builds. */
function isBallast(folder, from) {
  const inside = path.relative(realpathSync(folder), realpathSync(from));
  const first = inside.split(path.sep)[0];
  return (
    first === 'node_modules' ||
    /\.(map|d\.[cm]?ts|md|markdown|cpp|cc|hh?|o|tsbuildinfo)$/.test(inside) ||
    /(^|\/)build\/Release\/(obj\.target|\.deps)(\/|$)/.test(inside)
  );
}
