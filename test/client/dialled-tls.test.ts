import assert from 'node:assert/strict';
import { test } from 'node:test';

import { dialledTls, refuseTlsFlags } from '../../client/dialled-tls.js';

test('nothing said is plain text, and any flag or variable is TLS', () => {
  assert.equal(dialledTls({}, {}), undefined);
  assert.equal(dialledTls({}, { GOLDDIFF_TLS: 'false', GOLDDIFF_TLS_CA: '' }), undefined);
  assert.deepEqual(dialledTls({ tls: true }, {}), {});
  assert.deepEqual(dialledTls({}, { GOLDDIFF_TLS: 'true' }), {});
  assert.deepEqual(dialledTls({ tlsServerName: 'n' }, {}), { serverName: 'n' });
  assert.deepEqual(dialledTls({}, { GOLDDIFF_TLS_CA: 'ca' }), { caFile: 'ca' });
  assert.throws(() => dialledTls({}, { GOLDDIFF_TLS: 'perhaps' }), {
    code: 'ARGUMENT_INVALID',
    message: 'Expected true or false for GOLDDIFF_TLS but received "perhaps"',
  });
});

test('a flag wins over its variable', () => {
  const environment = { GOLDDIFF_TLS_CA: 'ca', GOLDDIFF_TLS_CERT: 'cert', GOLDDIFF_TLS_KEY: 'key', GOLDDIFF_TLS_SERVER_NAME: 'name' };
  assert.deepEqual(dialledTls({}, environment), { caFile: 'ca', certFile: 'cert', keyFile: 'key', serverName: 'name' });
  assert.deepEqual(dialledTls({ tlsCert: 'own', tlsServerName: 'other' }, environment), {
    caFile: 'ca',
    certFile: 'own',
    keyFile: 'key',
    serverName: 'other',
  });
});

test('beside --data a flag is refused by its name', () => {
  refuseTlsFlags({});
  refuseTlsFlags({ tls: false });
  assert.throws(() => refuseTlsFlags({ tlsKey: 'k' }), { message: 'Expected --endpoint HOST:PORT for --tls-key but received "--data"' });
  assert.throws(() => refuseTlsFlags({ tls: true }), { message: /for --tls but/ });
});
