import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planDenoiser } from '../../../coordinator/denoisers/registry.js';
import { queryOf } from './query.js';

const { settings: none, ...query } = queryOf([0.5]);

test('each denoiser that is here makes its plan, and none named is the optimal one', () => {
  const routes = (['DENOISER_UNSPECIFIED', 'OPTIMAL', 'WIENER', 'PATCH', 'PATCH_EQUIVARIANT', 'PCA'] as const).map(
    (kind) => planDenoiser(kind, null, query).route,
  );
  assert.deepEqual(routes, ['rows', 'rows', 'gaussian', 'groups', 'groups', 'groups']);
});

test('a number of another release is an argument that is none here', () => {
  assert.throws(() => planDenoiser(77 as never, null, query), { code: 'ARGUMENT_INVALID' });
});

test('a setting of another denoiser is refused by its name', () => {
  assert.throws(() => planDenoiser('OPTIMAL', { ...none, maskThreshold: 0.1 }, query), {
    message: /denoiser_settings.mask_threshold but received 0.1/,
  });
  assert.throws(() => planDenoiser('PCA', { ...none, patchSize: 3 }, query), { message: /denoiser_settings.patch_size/ });
  planDenoiser('PCA', { ...none, maskThreshold: 0.1 }, query);
});
