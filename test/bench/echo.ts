/** The least that gRPC can do: a bidirectional stream of bytes without a codec, whose server sends every message back as it comes. */

import {
  credentials,
  makeGenericClientConstructor,
  type Client,
  type ClientDuplexStream,
  type ServerDuplexStream,
  type ServiceDefinition,
} from '@grpc/grpc-js';

import { DATA_PLANE_WINDOW_BYTES, INTERNAL_MESSAGE_BYTES_MAX } from '../../shared/limits.js';
import { channelOptions } from '../../shared/rpc/channel.js';

const asItIs = (bytes: Buffer): Buffer => bytes;
const METHOD = {
  path: '/golddiff.bench.Echo/Bytes',
  requestStream: true,
  responseStream: true,
  requestSerialize: asItIs,
  requestDeserialize: asItIs,
  responseSerialize: asItIs,
  responseDeserialize: asItIs,
} as const;

export const echoService: ServiceDefinition = { Bytes: METHOD };

export const echoImplementation = {
  Bytes: (call: ServerDuplexStream<Buffer, Buffer>): void => {
    call.on('data', (bytes: Buffer) => void call.write(bytes));
    call.on('end', () => void call.end());
  },
};

const EchoClient = makeGenericClientConstructor(echoService, 'golddiff.bench.Echo');

/** One echo stream, with the channel options of a data plane. */
export class EchoLink {
  readonly #client: Client;
  readonly #stream: ClientDuplexStream<Buffer, Buffer>;
  #wantedBytes = 0;
  #done: (() => void) | undefined;

  constructor(address: string) {
    const options = channelOptions({ messageBytesMax: INTERNAL_MESSAGE_BYTES_MAX, windowBytes: DATA_PLANE_WINDOW_BYTES, ownConnection: true });
    this.#client = new EchoClient(address, credentials.createInsecure(), options);
    this.#stream = this.#client.makeBidiStreamRequest(METHOD.path, asItIs, asItIs);
    this.#stream.on('error', () => {});
    this.#stream.on('data', (bytes: Buffer) => {
      this.#wantedBytes -= bytes.length;
      if (this.#wantedBytes === 0) this.#done?.();
    });
  }

  /** Sends the bytes in chunks; resolves when all have come back. */
  roundTrip(bytes: Buffer, chunkBytes: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wantedBytes = bytes.length;
      this.#done = resolve;
      for (let from = 0; from < bytes.length; from += chunkBytes) this.#stream.write(bytes.subarray(from, from + chunkBytes));
    });
  }

  close(): void {
    this.#stream.cancel();
    this.#client.close();
  }
}
