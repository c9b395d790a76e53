/** The data sets of a process, from wherever --data says they are: opens what that takes (a connection for data alone, a cache) and closes it again. */

import { hostname } from 'node:os';
import path from 'node:path';
import type { NatsSecurityFlags } from '../control-plane/nats/security.js';
import { NatsSession } from '../control-plane/nats/session.js';
import { argumentError } from '../errors.js';
import { DATA_FETCHES_DEFAULT } from '../limits.js';
import type { Logger } from '../log.js';
import { Places } from '../places.js';
import { homeFolder, makeCacheFolders } from './cache/cache-contents.js';
import { DataCache, type CacheOutcome } from './cache/data-cache.js';
import { dataCacheDefault, DATA_TOKEN_VARIABLE, type DataCacheFlags, type DataFetchFlags } from './data-flags.js';
import { openDataSet, type DataSet } from './data-set.js';
import { openRemoteDataSet } from './remote-data-set.js';
import { OBJECT_STORE_PREFIX, type DataLocation, type HttpLocation } from './sources/data-location.js';
import type { DataSource, FetchFailureReason, SourceKind } from './sources/data-source.js';
import { HttpSource } from './sources/http-source.js';
import { ObjectStoreSource } from './sources/object-store-source.js';

export interface OpenDataSettings extends NatsSecurityFlags {
  readonly log: Logger;
  /** absent = partitions are not fetched, and the cache holds only what is kept beside manifests */
  readonly partitions?: Pick<DataFetchFlags, 'dataCacheBytes' | 'dataFetches'>;
  readonly dataCache?: DataCacheFlags['dataCache'];
  readonly nats?: readonly string[];
  readonly clusterName: string;
  readonly natsReplicas: number;
  readonly onBytes?: (source: SourceKind, bytes: number) => void;
  readonly onFailure?: (source: SourceKind, reason: FetchFailureReason) => void;
  readonly onCache?: (outcome: CacheOutcome) => void;
  readonly onCacheBytes?: (bytes: number) => void;
  readonly onEvicted?: (files: number) => void;
  /** ends waits for sources */
  readonly signal?: AbortSignal;
  /** the first wait between two tries; for tests */
  readonly backoffMs?: number;
}

export interface OpenData {
  readonly dataSets: readonly DataSet[];
  readonly close: () => Promise<void>;
}

/**
 * @throws ARGUMENT_INVALID for an object store without --nats, or a cache folder that cannot be used; NOT_FOUND, FILE_INVALID, DATA_UNAVAILABLE for a data set;
 * CONTROL_PLANE_LOST, CONTROL_PLANE_REFUSED
 */
export async function openData(locations: readonly DataLocation[], settings: OpenDataSettings): Promise<OpenData> {
  const { log, partitions, nats } = settings;
  const signal = settings.signal ?? new AbortController().signal;
  const remote = locations.some(({ kind }) => kind !== 'folder');
  if (locations.some(({ kind }) => kind === 'object-store') && nats === undefined)
    throw argumentError('--data', `--nats URL beside ${OBJECT_STORE_PREFIX}NAME`, 'none');
  let session: Promise<NatsSession> | undefined;
  let cache: DataCache | undefined;
  const close = async (): Promise<void> => {
    await cache?.close();
    await (await session?.catch(() => undefined))?.close();
  };
  const sourceOf = async (location: Exclude<DataLocation, { kind: 'folder' }>): Promise<DataSource> => {
    if (location.kind === 'http') return httpSource(location, log);
    // Apart from the connection of the control plane: a heartbeat must not wait behind megabytes.
    session ??= NatsSession.open({
      servers: nats!,
      namespace: settings.clusterName,
      replicas: settings.natsReplicas,
      clientName: `golddiff data ${hostname()} ${process.pid}`,
      security: settings,
    });
    const connected = await session;
    return ObjectStoreSource.open(connected, location.name);
  };
  try {
    const folder = path.resolve(settings.dataCache ?? dataCacheDefault());
    if (remote) cache = await openCache(folder, settings);
    const places = new Places(partitions?.dataFetches ?? DATA_FETCHES_DEFAULT);
    const dataSets = await Promise.all(
      locations.map(async (location) => {
        if (location.kind === 'folder') return openDataSet(location.dir);
        const source = await sourceOf(location);
        const dataSet = await openRemoteDataSet(
          {
            source,
            log,
            homes: homeFolder(folder),
            ...(cache === undefined ? {} : { cache }),
            places,
            onBytes: (bytes) => settings.onBytes?.(source.kind, bytes),
            onFailure: (reason) => settings.onFailure?.(source.kind, reason),
            ...(settings.backoffMs === undefined ? {} : { backoffMs: settings.backoffMs }),
          },
          signal,
        );
        log.info({ dataSet: dataSet.manifest.name, from: source.shown, cache: folder }, 'data set found');
        return dataSet;
      }),
    );
    return { dataSets, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

async function openCache(dir: string, settings: OpenDataSettings): Promise<DataCache | undefined> {
  const { log, partitions, onCache, onCacheBytes, onEvicted } = settings;
  if (partitions === undefined) {
    await makeCacheFolders(dir).catch((thrown: unknown) => {
      throw argumentError('--data-cache', 'a folder that this process may write to', `${dir} (${(thrown as Error).message})`);
    });
    return undefined;
  }
  return DataCache.open({
    dir,
    bytesMax: partitions.dataCacheBytes,
    log,
    ...(onCache === undefined ? {} : { onOutcome: onCache }),
    ...(onCacheBytes === undefined ? {} : { onBytes: onCacheBytes }),
    ...(onEvicted === undefined ? {} : { onEvicted }),
  });
}

function httpSource(location: HttpLocation, log: Logger): HttpSource {
  const token = process.env[DATA_TOKEN_VARIABLE];
  const source = new HttpSource(location, token);
  const open = location.base.startsWith('http:') && !/^http:\/\/(localhost|127\.|\[::1\])/.test(location.base);
  if (open && ((token ?? '') !== '' || location.authorization !== undefined))
    log.warn({ from: source.shown }, 'credentials travel unencrypted: name the data set by https');
  return source;
}
