import assert from 'node:assert/strict';
import { test } from 'node:test';

import { defaultMethods, parseMethod } from '../../../client/studies/method.js';

test('methods are read as they are written', () => {
  assert.deepEqual(parseMethod('exact', 100), { name: 'exact', retrieval: { kind: 'exact' } });
  assert.deepEqual(parseMethod('exact:tolerance=0.01', 100).retrieval, { kind: 'exact', tolerance: 0.01 });
  assert.deepEqual(parseMethod('exact:wss=7', 100).retrieval, { kind: 'exact', aggregator: 'wss', blockRows: 7 });
  assert.deepEqual(parseMethod('paper:k=5,wss=100', 100).retrieval, { kind: 'golden', variant: 'paper', k: 5, aggregator: 'wss', blockRows: 100 });
  assert.deepEqual(parseMethod('paper', 100).retrieval, { kind: 'golden', variant: 'paper' });
  assert.deepEqual(parseMethod('paper:k=5,pool=all,proxy=7,search=scan', 100).retrieval, {
    ...{ kind: 'golden', variant: 'paper', k: 5, candidatePool: 100, proxyResolution: 7, search: 'scan' },
  });
  assert.deepEqual(parseMethod('released:k-min=2,k-max=9,pool=20,presample=all', 100), {
    name: 'released:k-min=2,k-max=9,pool=20,presample=all',
    retrieval: { kind: 'golden', variant: 'released', kMin: 2, kMax: 9, candidatePool: 20, presample: 'all' },
  });
});

test('what is no method is refused with the forms there are', () => {
  for (const text of [
    ...['', 'golden', 'papers', 'paper:', 'paper:k', 'paper:k=', 'paper:k=0', 'paper:k=101', 'paper:k=1.5', 'paper:pool=some', 'paper:presample=all'],
    ...[
      'released:search=scan',
      'exact:k=4',
      'exact:tolerance=0.6',
      'exact:tolerance=',
      'exact:tolerance',
      'exact:wss=0',
      'exact:wss',
      'paper:wss=101',
      'paper:toString=3',
      'paper:search=fast',
    ],
  ])
    assert.throws(() => parseMethod(text, 100), { code: 'ARGUMENT_INVALID', message: /^Expected exact.* for --method but received "/ }, text);
});

test('the default methods are methods, for large and small data sets', () => {
  for (const rows of [1, 2, 50, 60_000]) {
    const methods = defaultMethods(rows);
    assert.equal(new Set(methods.map((m) => m.name)).size, methods.length);
    assert.ok(methods.some((m) => m.retrieval.kind === 'golden' && m.retrieval.candidatePool === rows));
  }
  assert.ok(defaultMethods(60_000).some((m) => m.name === 'paper:k=600,pool=all'));
});
