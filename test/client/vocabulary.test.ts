import assert from 'node:assert/strict';
import { test } from 'node:test';

import { boundWord, DENOISERS, enumOf, GOLDEN_VARIANTS, PRESAMPLES, RESULT_DTYPES, SAMPLERS, SCHEDULES } from '../../client/vocabulary.js';
import { protoPackage } from '../../shared/rpc/proto-package.js';

test('every word stands for a value that the proto has', () => {
  const enums = [
    [DENOISERS, protoPackage.DenoiserKind],
    [SCHEDULES, protoPackage.ScheduleName],
    [SAMPLERS, protoPackage.SamplerKind],
    [GOLDEN_VARIANTS, protoPackage.GoldenVariant],
    [PRESAMPLES, protoPackage.Presample],
    [RESULT_DTYPES, protoPackage.DType],
  ] as const;
  for (const [table, definition] of enums) {
    const names = (definition.type as { value: { name: string }[] }).value.map((v) => v.name);
    for (const name of Object.values(table)) assert.ok(names.includes(name), `${name} is one of ${names.join(', ')}`);
  }
});

test('a word that is none is refused, also one that every object has', () => {
  assert.throws(() => enumOf(SAMPLERS, 'sampler', 'euler'), { code: 'ARGUMENT_INVALID' });
  assert.throws(() => enumOf(SAMPLERS, 'sampler', 'constructor'), { code: 'ARGUMENT_INVALID' });
});

test('a bound of an unknown kind is trusted least', () => {
  assert.deepEqual([boundWord('EXACT'), boundWord('CERTIFIED'), boundWord('BETTER')], ['exact', 'certified', 'heuristic']);
});
