// Programs that some tests use and npm does not carry. Installed where that is possible (Debian, root); elsewhere those tests skip.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const APT_TIMEOUT_MS = 180_000;

/** Each: how to see that it is there, the Debian packages that bring it, and which jobs need it where not all do. */
const PROGRAMS = [
  {
    name: 'Python gRPC',
    packages: ['python3-grpcio', 'python3-protobuf', 'python3-numpy'],
    present: () => ok('/usr/bin/python3', ['-c', 'import grpc, google.protobuf, numpy']),
  },
  { name: 'protoc', packages: ['protobuf-compiler'], present: () => ok('protoc', ['--version']) },
  { name: 'nats-server', packages: ['nats-server'], present: () => ok('nats-server', ['--version']) },
  { name: 'Prometheus', packages: ['prometheus'], present: () => ok('promtool', ['--version']) && ok('prometheus', ['--version']) },
  { name: 'openssl', packages: ['openssl'], present: () => ok('openssl', ['version']) },
  { name: 'ip', packages: ['iproute2'], jobs: ['faults', 'chart'], present: () => ok('ip', ['-V']) },
  { name: 'nft', packages: ['nftables'], jobs: ['faults', 'chart'], present: () => ok('nft', ['--version']) },
  { name: 'tini', packages: ['tini'], jobs: ['chart'], present: () => ok('tini', ['--version']) },
  {
    name: 'Fashion-MNIST',
    packages: ['dataset-fashion-mnist'],
    present: () => existsSync('/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz'),
  },
];

export function installSystemPrograms(job, say) {
  const missing = PROGRAMS.filter((program) => (program.jobs === undefined || program.jobs.includes(job)) && !program.present());
  if (missing.length === 0) return;
  const packages = missing.flatMap((program) => program.packages);
  const names = missing.map((program) => program.name).join(', ');
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    say(`${names} not found: tests that need them will skip (Debian: apt-get install ${packages.join(' ')})`);
    return;
  }
  say(`installing ${packages.join(' ')}`);
  const apt = (...args) => ok('apt-get', args, { DEBIAN_FRONTEND: 'noninteractive' });
  if (!apt('-qq', 'update') || !apt('-qq', '-y', '--no-install-recommends', 'install', ...packages))
    say(`could not install ${packages.join(' ')}: tests that need them will skip`);
}

function ok(command, args, env = {}) {
  return spawnSync(command, args, { stdio: 'ignore', timeout: APT_TIMEOUT_MS, env: { ...process.env, ...env } }).status === 0;
}
