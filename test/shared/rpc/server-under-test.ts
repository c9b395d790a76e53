/** A server on a free port of the loopback with a client for every public service, for tests of what lies between them. */

import { credentials, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { pino, type Logger } from 'pino';
import { channelOptions } from '../../../shared/rpc/channel.js';
import { startGrpcServer, type GrpcServer, type GrpcServerSettings } from '../../../shared/rpc/grpc-server.js';
import { protoPackage } from '../../../shared/rpc/proto-package.js';

type Clients = {
  readonly dataset: InstanceType<typeof protoPackage.DatasetService>;
  readonly sampling: InstanceType<typeof protoPackage.SamplingService>;
  readonly score: InstanceType<typeof protoPackage.ScoreService>;
};

export interface ServerUnderTest extends Clients {
  readonly server: GrpcServer;
  /** log lines, parsed */
  readonly lines: Record<string, unknown>[];
  close(): void;
}

export interface HandlersUnderTest {
  readonly dataset?: UntypedServiceImplementation;
  readonly sampling?: UntypedServiceImplementation;
  readonly score?: UntypedServiceImplementation;
}

export const MESSAGE_BYTES_MAX = 100_000;

export function collectingLogger(lines: Record<string, unknown>[]): Logger {
  return pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
}

export async function serve(handlers: HandlersUnderTest, more: Partial<GrpcServerSettings> = {}): Promise<ServerUnderTest> {
  const lines: Record<string, unknown>[] = [];
  const definitions = { dataset: protoPackage.DatasetService, sampling: protoPackage.SamplingService, score: protoPackage.ScoreService };
  const services = (['dataset', 'sampling', 'score'] as const).flatMap((name) => {
    const implementation = handlers[name];
    return implementation === undefined ? [] : [{ service: definitions[name].service, implementation }];
  });
  const server = await startGrpcServer({
    listen: '127.0.0.1:0',
    services,
    log: collectingLogger(lines),
    messageBytesMax: MESSAGE_BYTES_MAX,
    ...more,
  });
  const options = channelOptions({ messageBytesMax: 10 * MESSAGE_BYTES_MAX, ownConnection: true });
  const insecure = credentials.createInsecure();
  const clients: Clients = {
    dataset: new protoPackage.DatasetService(server.address, insecure, options),
    sampling: new protoPackage.SamplingService(server.address, insecure, options),
    score: new protoPackage.ScoreService(server.address, insecure, options),
  };
  return {
    server,
    lines,
    ...clients,
    close: () => {
      Object.values(clients).forEach((client) => client.close());
      server.forceStop();
    },
  };
}
