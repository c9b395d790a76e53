/**
 * How long it takes to turn an answer into bytes: the encoding of its tensors by us, and of its message by gRPC some time later. The two are told apart from
 * messages without tensors, such as progress, by whether the first has been done.
 */

import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';

/** Milliseconds that the tensors of a message took. */
const encodings = new WeakMap<object, number>();

/** Makes an answer, and remembers how long that took. */
export function encoded<T extends object>(make: () => T): T {
  const startedMs = performance.now();
  const answer = make();
  encodings.set(answer, performance.now() - startedMs);
  return answer;
}

/** The same service, which tells of every answer made by `encoded` how long its bytes took in all. */
export function timedService<S extends ServiceDefinition>(service: S, onAnswer: (seconds: number) => void): S {
  const methods = Object.entries(service).map(([name, definition]: [string, MethodDefinition<object, object>]) => {
    const responseSerialize = (answer: object): Buffer => {
      const encodingMs = encodings.get(answer);
      if (encodingMs === undefined) return definition.responseSerialize(answer);
      const startedMs = performance.now();
      const bytes = definition.responseSerialize(answer);
      onAnswer((encodingMs + performance.now() - startedMs) / 1000);
      return bytes;
    };
    return [name, { ...definition, responseSerialize }];
  });
  return Object.fromEntries(methods) as S;
}
