import assert from 'node:assert/strict';
import { test } from 'node:test';

import { withAnyCoordinator } from '../../client/any-coordinator.js';
import { GolddiffError } from '../../shared/errors.js';

test('what may succeed later is asked of the next coordinator, and the rest fails at once', async () => {
  const asked: string[] = [];
  const answer = await withAnyCoordinator({ endpoints: ['127.0.0.1:1', '127.0.0.1:2'], patienceMs: 10_000 }, ({ ask }) =>
    ask(({ endpoint }) => {
      asked.push(endpoint);
      return endpoint.endsWith(':2') ? Promise.resolve(7) : Promise.reject(new GolddiffError('WORKER_LOST', 'gone'));
    }),
  );
  assert.deepEqual([answer, asked], [7, ['127.0.0.1:1', '127.0.0.1:2']]);
  for (const code of ['NOT_FOUND', 'JOB_NOT_DONE'] as const) {
    let calls = 0;
    const failing = withAnyCoordinator({ endpoints: ['127.0.0.1:1', '127.0.0.1:2'], patienceMs: 10_000 }, ({ ask }) =>
      ask(() => {
        calls++;
        return Promise.reject(new GolddiffError(code, 'no'));
      }),
    );
    await assert.rejects(failing, { code });
    assert.equal(calls, 1);
  }
});

test('where TLS refuses every coordinator nobody waits for certificates to change', async () => {
  const asked: string[] = [];
  const nobody = withAnyCoordinator({ endpoints: ['127.0.0.1:1', '127.0.0.1:2'], patienceMs: 600_000 }, ({ ask }) =>
    ask(({ endpoint }) => {
      asked.push(endpoint);
      return Promise.reject(new GolddiffError('TLS_FAILED', 'expired'));
    }),
  );
  await assert.rejects(nobody, { code: 'TLS_FAILED' });
  assert.deepEqual(asked, ['127.0.0.1:1', '127.0.0.1:2']);
});

test('the patience ends', async () => {
  const start = performance.now();
  const nobody = withAnyCoordinator({ endpoints: ['127.0.0.1:1'], patienceMs: 400 }, ({ ask, signal }) =>
    ask((client) => client.jobs.get('j', { signal })),
  );
  await assert.rejects(nobody, { code: 'WORKER_LOST' });
  assert.ok(performance.now() - start >= 400);
});
