import assert from 'node:assert/strict';
import { it } from 'node:test';
import { natsSecurityOptions } from '../../../client/commands/nats-flags.js';
import { natsSecurityFlags } from '../../../shared/control-plane/nats/security.js';

it('has the flags of the services, without their variables', () => {
  const options = natsSecurityOptions();
  assert.deepEqual(
    options.map(({ flags, description }) => ({ flags, description })),
    natsSecurityFlags().map(({ flags, description }) => ({ flags, description })),
  );
  assert.ok(options.every(({ envVar }) => envVar === undefined));
});
