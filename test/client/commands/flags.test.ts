import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Command } from 'commander';

import {
  addPosteriorFlags,
  addTargetFlags,
  integerOr,
  labelList,
  readDenoiserSettings,
  readRetrieval,
  type PosteriorFlags,
} from '../../../client/commands/flags.js';

function parse(...args: string[]): PosteriorFlags {
  const command = addPosteriorFlags(addTargetFlags(new Command()))
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  return command.parse(args, { from: 'user' }).opts();
}

test('the golden flags of the design are read as they are written', () => {
  const flags = parse(
    ...'--retrieval golden --golden-variant released --k-min 10 --k-max 20 --k dynamic --candidate-pool 30 --proxy-resolution 7 --presample all'.split(
      ' ',
    ),
  );
  assert.deepEqual(readRetrieval(flags), {
    kind: 'golden',
    variant: 'released',
    kMin: 10,
    kMax: 20,
    k: 'dynamic',
    candidatePool: 30,
    proxyResolution: 7,
    presample: 'all',
  });
  assert.deepEqual(readRetrieval(parse('--retrieval', 'golden')), { kind: 'golden' });
  assert.deepEqual(readRetrieval(parse('--retrieval', 'golden', '--search', 'hnsw')), { kind: 'golden', search: 'hnsw' });
  assert.deepEqual(readRetrieval(parse('--retrieval', 'golden', '--max-tail-mass', '.01')), { kind: 'golden', maxTailMass: 0.01 });
});

test('where nothing is named it is GoldDiff on pca; exact is what --tolerance and wiener want', () => {
  const plain = parse();
  assert.equal(plain.denoiser, 'pca');
  assert.deepEqual([readRetrieval(plain), readDenoiserSettings(plain)], [{ kind: 'golden' }, undefined]);
  assert.deepEqual(readRetrieval(parse('--k-min', '5')), { kind: 'golden', kMin: 5 });
  assert.deepEqual(readRetrieval(parse('--denoiser', 'optimal')), { kind: 'golden' });
  assert.deepEqual(readRetrieval(parse('--retrieval', 'exact')), { kind: 'exact' });
  assert.deepEqual(readRetrieval(parse('--tolerance', '.01')), { kind: 'exact', tolerance: 0.01 });
  assert.deepEqual(readRetrieval(parse('--denoiser', 'wiener')), { kind: 'exact' });
});

test('a flag that would have no effect is refused', () => {
  assert.throws(() => readRetrieval(parse('--denoiser', 'wiener', '--k-min', '5')), {
    message: 'Expected --retrieval golden for --k-min but received "exact"',
  });
  assert.throws(() => readRetrieval(parse('--retrieval', 'exact', '--golden-variant', 'paper')), {
    message: 'Expected --retrieval golden for --golden-variant but received "exact"',
  });
  assert.throws(() => readRetrieval(parse('--retrieval', 'exact', '--max-tail-mass', '.1')), {
    message: 'Expected --retrieval golden for --max-tail-mass but received "exact"',
  });
  assert.throws(() => readRetrieval(parse('--retrieval', 'exact', '--search', 'scan')), {
    message: 'Expected --retrieval golden for --search but received "exact"',
  });
  assert.throws(() => readRetrieval(parse('--retrieval', 'golden', '--tolerance', '.1')), {
    message: 'Expected --retrieval exact for --tolerance but received "golden"',
  });
  assert.throws(() => readRetrieval(parse('--retrieval', 'golden', '--golden-variant', 'released', '--search', 'hnsw')), {
    message:
      'Expected auto or scan, since --golden-variant released chooses among random rows, which no index holds, for --search but received "hnsw"',
  });
});

test('bad values are refused with what was expected', () => {
  const refusals: [string[], string][] = [
    [['--denoiser', 'best'], 'Expected one of optimal, wiener, patch, patch-equivariant, pca for --denoiser but received "best"'],
    [['--k', 'many'], 'Expected dynamic or a whole number from 1 to 4294967295 for --k but received "many"'],
    [['--candidate-pool', '0'], 'Expected auto or a whole number from 1 to 4294967295 for --candidate-pool but received "0"'],
    [['--search', 'faiss'], 'Expected one of auto, scan, hnsw for --search but received "faiss"'],
    [['--batch-rows', '257'], 'Expected a whole number from 1 to 256 for --batch-rows but received "257"'],
    [['--temperature', '0'], 'Expected a number above 0 for --temperature but received "0"'],
    [['--endpoint', 'here'], 'Expected HOST:PORT for --endpoint but received "here"'],
    [['--max-tail-mass', '0'], 'Expected a number above 0 to 1 for --max-tail-mass but received "0"'],
    [['--max-tail-mass', '1'], 'Expected a share below 1 for --max-tail-mass but received "1"'],
    [['--labels', '1,x'], 'Expected a class or a list of classes such as 0,1,2 (-1 = all rows) for --labels but received "1,x"'],
  ];
  for (const [args, message] of refusals) assert.throws(() => parse(...args), { message });
});

test('lists of classes, and words beside numbers', () => {
  assert.deepEqual(labelList('3, -1,0', '--labels'), [3, -1, 0]);
  assert.equal(integerOr('auto', 1, 9)('7', '--x'), 7);
  assert.equal(integerOr('auto', 1, 9)('auto', '--x'), 'auto');
});

test('settings of a denoiser go with that denoiser only', () => {
  assert.equal(readDenoiserSettings(parse('--denoiser', 'pca')), undefined);
  assert.deepEqual(readDenoiserSettings(parse('--mask-threshold', '.03', '--denoiser', 'pca')), { maskThreshold: 0.03 });
  assert.deepEqual(readDenoiserSettings(parse('--patch-size', '7', '--denoiser', 'patch')), { patchSize: 7 });
  assert.throws(() => readDenoiserSettings(parse('--denoiser', 'optimal', '--mask-threshold', '.02')), {
    message: 'Expected --denoiser pca for --mask-threshold but received "optimal"',
  });
  assert.throws(() => readDenoiserSettings(parse('--patch-size', '7', '--denoiser', 'pca')), {
    message: 'Expected --denoiser patch or patch-equivariant for --patch-size but received "pca"',
  });
});

test('wss comes with the rows of its blocks, and they with it', () => {
  assert.deepEqual(readRetrieval(parse('--retrieval', 'exact', '--aggregator', 'wss', '--block-rows', '128')), {
    kind: 'exact',
    aggregator: 'wss',
    blockRows: 128,
  });
  const golden = readRetrieval(parse('--retrieval', 'golden', '--aggregator', 'wss', '--block-rows', '5'));
  assert.deepEqual(golden, { kind: 'golden', aggregator: 'wss', blockRows: 5 });
  assert.throws(() => readRetrieval(parse('--aggregator', 'wss')), { message: /rows of a block .* for --block-rows/ });
  assert.throws(() => readRetrieval(parse('--block-rows', '5')), { message: /--aggregator wss for --block-rows/ });
});
