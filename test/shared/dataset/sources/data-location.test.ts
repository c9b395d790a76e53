import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dataLocation, shownLocation, withoutCredentials } from '../../../../shared/dataset/sources/data-location.js';

const read = (text: string) => dataLocation(text, '--data');

test('a folder is anything without a scheme', () => {
  for (const dir of ['data/mnist', '/data', './a:b', 'C:\\data']) assert.deepEqual(read(dir), { kind: 'folder', dir });
});

test('a URL loses its credentials and keeps them apart, and ends in a slash', () => {
  const location = read('https://ann:s%40cret@host:8443/sets/mnist?sig=abc');
  assert.deepEqual(location, {
    kind: 'http',
    base: 'https://host:8443/sets/mnist/',
    query: '?sig=abc',
    authorization: `Basic ${Buffer.from('ann:s@cret').toString('base64')}`,
  });
  assert.equal(shownLocation(location), 'https://host:8443/sets/mnist/');
  assert.deepEqual(read('http://host'), { kind: 'http', base: 'http://host/', query: '', authorization: undefined });
});

test('a name in the object store is the name of a data set', () => {
  assert.deepEqual(read('object-store:mnist-v2'), { kind: 'object-store', name: 'mnist-v2' });
  assert.equal(shownLocation(read('object-store:a')), 'object-store:a');
  for (const wrong of ['object-store:', 'object-store:a/b', 'object-store:a b']) assert.throws(() => read(wrong), { code: 'ARGUMENT_INVALID' });
});

test('other schemes and broken URLs are refused, without what is secret in them', () => {
  for (const wrong of [
    's3://key:secret@bucket/x?token=secret',
    'ftp://u:secret@h/',
    'http://u:secret@',
    'http://u:secret@h:port/',
    'http://%zz:secret@h/',
    '',
  ]) {
    assert.throws(
      () => read(wrong),
      (thrown: Error & { code?: string }) => thrown.code === 'ARGUMENT_INVALID' && !thrown.message.includes('secret'),
      wrong,
    );
  }
});

test('credentials are taken out of any text', () => {
  assert.equal(
    withoutCredentials('see https://a:b@host/x?k=v, then nats://t@n:4222 and http://h/y'),
    'see https://host/x?..., then nats://n:4222 and http://h/y',
  );
});
