import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';

import { withAnyCoordinator } from '../../client/any-coordinator.js';
import { GolddiffError } from '../../shared/errors.js';
import { opensslMissing, TestAuthority } from '../support/certificates.js';

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

test('a refusal of TLS counts once for each coordinator, and not at all once it answers otherwise', async () => {
  // A restarting coordinator between two refusals of the other, and one that hung up without a word: all of them may pass.
  const refusal = (): GolddiffError => new GolddiffError('TLS_FAILED', 'expired');
  const hungUp = new GolddiffError('TLS_FAILED', 'closed', { retryAfterMs: 1 });
  const lost = new GolddiffError('WORKER_LOST', 'restarting');
  const answers = [refusal(), lost, refusal(), hungUp, lost, refusal(), undefined];
  const answer = await withAnyCoordinator({ endpoints: ['127.0.0.1:1', '127.0.0.1:2'], patienceMs: 600_000 }, ({ ask }) =>
    ask(() => {
      const error = answers.shift();
      return error === undefined ? Promise.resolve(7) : Promise.reject(error);
    }),
  );
  assert.equal(answer, 7);
});

test('a single coordinator that ends in the middle of a handshake is waited for', { skip: opensslMissing ?? false }, async () => {
  const authority = new TestAuthority('an authority');
  const rude = createServer((socket) => void socket.resume().end());
  await new Promise<void>((resolve) => rude.listen(0, '127.0.0.1', resolve));
  const { port } = rude.address() as { port: number };
  const codes: string[] = [];
  const status = await withAnyCoordinator({ endpoints: [`127.0.0.1:${port}`], patienceMs: 600_000, tls: { caFile: authority.caFile } }, ({ ask }) =>
    ask((client) =>
      codes.length === 2
        ? Promise.resolve('asked again')
        : client.health('', { timeoutMs: 60_000 }).catch((error: GolddiffError) => {
            codes.push(error.code);
            throw error;
          }),
    ),
  );
  await new Promise((resolve) => rude.close(resolve));
  assert.deepEqual([status, codes], ['asked again', ['TLS_FAILED', 'TLS_FAILED']]);
});

test('the patience ends', async () => {
  const start = performance.now();
  const nobody = withAnyCoordinator({ endpoints: ['127.0.0.1:1'], patienceMs: 400 }, ({ ask, signal }) =>
    ask((client) => client.jobs.get('j', { signal })),
  );
  await assert.rejects(nobody, { code: 'WORKER_LOST' });
  assert.ok(performance.now() - start >= 400);
});
