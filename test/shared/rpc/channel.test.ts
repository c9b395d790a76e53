import assert from 'node:assert/strict';
import { it } from 'node:test';
import { channelOptions } from '../../../shared/rpc/channel.js';

it('carries the limit both ways and leaves retries to us', () => {
  const options = channelOptions({ messageBytesMax: 1_000 });
  assert.equal(options['grpc.max_receive_message_length'], 1_000);
  assert.equal(options['grpc.max_send_message_length'], 1_000);
  assert.equal(options['grpc.enable_retries'], 0);
  assert.ok(!('grpc-node.flow_control_window' in options) && !('grpc.use_local_subchannel_pool' in options));
});

it('asks for a window and a connection of its own where told to', () => {
  const options = channelOptions({ messageBytesMax: 1_000, windowBytes: 8_000_000, ownConnection: true });
  assert.equal(options['grpc-node.flow_control_window'], 8_000_000);
  assert.equal(options['grpc.use_local_subchannel_pool'], 1);
});
