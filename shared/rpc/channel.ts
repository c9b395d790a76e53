import type { ChannelOptions } from '@grpc/grpc-js';
import { KEEPALIVE_TIME_MS, KEEPALIVE_TIMEOUT_MS, RECONNECT_BACKOFF_MAX_MS, RECONNECT_BACKOFF_MIN_MS } from '../limits.js';

export interface ChannelSettings {
  /** largest message either way */
  readonly messageBytesMax: number;
  /** HTTP/2 window offered to the server, bytes; gRPC's own 64 KiB where absent */
  readonly windowBytes?: number;
  /** a connection of its own even where another channel has the same target: for pools that stripe one target */
  readonly ownConnection?: boolean;
}

/**
 * Options of a client channel. Retries are ours alone: gRPC's would keep a copy of every large message in its retry buffer, and know nothing of
 * replicas. A proxy named in the environment is not used, since these are addresses within a cluster.
 */
export function channelOptions(settings: ChannelSettings): ChannelOptions {
  return {
    'grpc.max_receive_message_length': settings.messageBytesMax,
    'grpc.max_send_message_length': settings.messageBytesMax,
    'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.initial_reconnect_backoff_ms': RECONNECT_BACKOFF_MIN_MS,
    'grpc.max_reconnect_backoff_ms': RECONNECT_BACKOFF_MAX_MS,
    'grpc.enable_retries': 0,
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
    ...(settings.windowBytes === undefined ? {} : { 'grpc-node.flow_control_window': settings.windowBytes }),
    ...(settings.ownConnection === true ? { 'grpc.use_local_subchannel_pool': 1 } : {}),
  };
}
