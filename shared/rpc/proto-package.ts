/**
 * proto/golddiff/v1 as grpc-js sees it, loaded once. The loader's options are those of scripts/generate-proto-types.mjs; with others the
 * generated types would not say what comes over the wire.
 */

import { readdirSync } from 'node:fs';
import path from 'node:path';
import { loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync, type Options, type PackageDefinition } from '@grpc/proto-loader';
import { packageRoot } from '../package-root.js';
import type { ProtoGrpcType as ClusterTypes } from '../../proto/generated/cluster.js';
import type { ProtoGrpcType as DatasetsTypes } from '../../proto/generated/datasets.js';
import type { ProtoGrpcType as JobsTypes } from '../../proto/generated/jobs.js';
import type { ProtoGrpcType as SamplingTypes } from '../../proto/generated/sampling.js';
import type { ProtoGrpcType as ScoreTypes } from '../../proto/generated/score.js';
import type { ProtoGrpcType as ShardTypes } from '../../proto/generated/shard.js';
import type { ProtoGrpcType as TensorTypes } from '../../proto/generated/tensor.js';

type V1<T extends { golddiff: { v1: object } }> = T['golddiff']['v1'];

/** Services (client constructors with `.service`) and messages (with `.serialize` and `.deserialize`) of package golddiff.v1. */
export type ProtoPackage = V1<ScoreTypes> &
  V1<SamplingTypes> &
  V1<DatasetsTypes> &
  V1<JobsTypes> &
  V1<ClusterTypes> &
  V1<ShardTypes> &
  V1<TensorTypes>;

const folder = path.join(packageRoot, 'proto');
const files = readdirSync(path.join(folder, 'golddiff', 'v1'))
  .filter((name) => name.endsWith('.proto'))
  .sort()
  .map((name) => `golddiff/v1/${name}`);

const loaderOptions: Options = { longs: Number, enums: String, defaults: true, oneofs: true, includeDirs: [folder] };

export const protoPackage: ProtoPackage = (loadPackageDefinition(loadSync(files, loaderOptions)) as unknown as { golddiff: { v1: ProtoPackage } })
  .golddiff.v1;

/** The same files for server reflection. Field names must be those of the files there, since clients build their messages from them. */
export function reflectionDefinition(): PackageDefinition {
  return loadSync(files, { ...loaderOptions, keepCase: true });
}
