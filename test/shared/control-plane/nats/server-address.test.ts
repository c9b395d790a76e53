import assert from 'node:assert/strict';
import { it } from 'node:test';
import { natsServers, serverPlaces, withoutSecrets } from '../../../../shared/control-plane/nats/server-address.js';

it('reads addresses of servers in the forms that NATS knows, and no others', () => {
  assert.deepEqual(natsServers('nats://a:4222, user:word@b.c:1,[::1]:2,tls://d', '--nats'), [
    'nats://a:4222',
    'user:word@b.c:1',
    '[::1]:2',
    'tls://d',
  ]);
  for (const wrong of ['', 'a,', 'http://a:1', 'a:b', 'a b'])
    assert.throws(() => natsServers(wrong, '--nats'), {
      code: 'ARGUMENT_INVALID',
      message: /^Expected nats:\/\/HOST:PORT, or several with commas, for --nats/,
    });
});

it('takes apart what the library would drop: places, users, tokens, and whether TLS is asked for', () => {
  const none = { tls: false, user: undefined, token: undefined };
  assert.deepEqual(serverPlaces(['nats://a:1', 'b', '[::1]:2']), { ...none, servers: ['a:1', 'b', '[::1]:2'] });
  assert.deepEqual(serverPlaces(['nats://u%40x:p%3A%2Fq:r@a:1', 'b:2']), {
    ...none,
    servers: ['a:1', 'b:2'],
    user: { name: 'u@x', password: 'p:/q:r' },
  });
  assert.deepEqual(serverPlaces(['tls://secret@a:1', 'tls://secret@b:1']), { servers: ['a:1', 'b:1'], tls: true, user: undefined, token: 'secret' });
  assert.throws(() => serverPlaces(['x:1@a', 'y:2@b']), {
    code: 'ARGUMENT_INVALID',
    message: 'Expected one user for all servers for --nats but received "2 different ones"',
  });
});

it('shows nobody a secret', () => {
  assert.equal(withoutSecrets('nats://u:p@a:1,t@b,c:2'), 'nats://***@a:1,***@b,c:2');
  assert.throws(
    () => natsServers('u:secret@a:1,b:x', '--nats'),
    (error: Error) => !error.message.includes('secret') && error.message.includes('b:x'),
  );
  assert.equal(withoutSecrets('tls://ann:sl/a@sh@host:1'), 'tls://***@host:1');
});
