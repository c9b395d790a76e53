/** What goes over the wire of one method, counted where it is turned into bytes and back: the whole of each message, whatever is in it. */

import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import { invariant } from '../errors.js';

/** @param bytes of one message as serialised, without gRPC's 5 bytes and the frames of HTTP/2 */
export type MessageCounter = (direction: 'sent' | 'received', bytes: number) => void;

type AnyMethod = MethodDefinition<object, object>;

/**
 * The same service with one method counted.
 * @param end of the connection that this process has, which says what is sent and what is received
 */
export function countedService<S extends ServiceDefinition>(
  service: S,
  method: keyof S & string,
  end: 'client' | 'server',
  count: MessageCounter,
): S {
  const definition = service[method] as AnyMethod | undefined;
  invariant(definition !== undefined, `the service has ${method}`);
  const [request, response] = end === 'client' ? (['sent', 'received'] as const) : (['received', 'sent'] as const);
  const counted = (direction: 'sent' | 'received', bytes: Buffer): Buffer => {
    count(direction, bytes.length);
    return bytes;
  };
  const wrapped: AnyMethod = {
    ...definition,
    requestSerialize: (message) => counted(request, definition.requestSerialize(message)),
    requestDeserialize: (bytes) => definition.requestDeserialize(counted(request, bytes)),
    responseSerialize: (message) => counted(response, definition.responseSerialize(message)),
    responseDeserialize: (bytes) => definition.responseDeserialize(counted(response, bytes)),
  };
  return { ...service, [method]: wrapped };
}
