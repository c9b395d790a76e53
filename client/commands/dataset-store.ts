/** golddiff dataset push, list and remove: data sets in the NATS object store of a cluster. */

import { Command } from 'commander';
import { oneOf, text } from '../../shared/config.js';
import { NATS_NAMESPACE_DEFAULT } from '../../shared/control-plane/nats/control-plane.js';
import { clusterName, NATS_REPLICAS } from '../../shared/control-plane/nats/flags.js';
import type { NatsSecurityFlags } from '../../shared/control-plane/nats/security.js';
import { natsServers } from '../../shared/control-plane/nats/server-address.js';
import { NatsSession } from '../../shared/control-plane/nats/session.js';
import { OBJECT_STORE_PREFIX } from '../../shared/dataset/sources/data-location.js';
import { DATA_SET_NAME_PATTERN } from '../../shared/dataset/manifest-validation.js';
import { defined } from '../../shared/defined.js';
import { argumentError } from '../../shared/errors.js';
import { DatasetStore, type StoredDataSet } from '../dataset-store.js';
import { listenForInterrupts } from '../interrupts.js';
import { startProgress } from '../progress.js';
import { markdownTable } from '../studies/table.js';
import { clientFlag } from './client-flag.js';
import { natsSecurityOptions } from './nats-flags.js';

interface StoreFlags extends NatsSecurityFlags {
  readonly nats: readonly string[];
  readonly clusterName: string;
  readonly natsReplicas: number;
  readonly json?: boolean;
}

interface PushFlags extends StoreFlags {
  readonly name?: string;
  readonly force?: boolean;
}

const MB = 1e6;

export function pushCommand(): Command {
  return storeCommand('push', 'put a data set folder into the object store of a cluster; the same command again goes on where one ended')
    .argument('<dir>', 'folder of a data set')
    .addOption(clientFlag('--name <NAME>', 'name in the object store (default: that of the data set)', dataSetName))
    .option('--force', 'replace another content of that name')
    .action(async (dir: string, flags: PushFlags) =>
      withStore(flags, async (store, signal) => {
        const progress = startProgress('Pushing', 0, 'MB');
        try {
          const onProgress = (done: number, total: number): void => {
            progress.setTotal(Math.ceil(total / MB));
            progress.update(Math.floor(done / MB));
          };
          const pushed = await store.push(dir, { ...defined({ name: flags.name, force: flags.force }), signal, onProgress });
          progress.stop();
          const there = pushed.bytesThere === 0 ? '' : `, ${(pushed.bytesThere / MB).toFixed(1)} MB of them there already`;
          if (flags.json) print(JSON.stringify(pushed));
          else print(`${OBJECT_STORE_PREFIX}${pushed.name}: ${pushed.files} files, ${(pushed.bytes / MB).toFixed(1)} MB${there}`);
        } finally {
          progress.stop();
        }
      }),
    );
}

export function listCommand(): Command {
  return storeCommand('list', 'data sets in the object store of a cluster').action(async (flags: StoreFlags) =>
    withStore(flags, async (store) => {
      const dataSets = await store.list();
      print(flags.json ? JSON.stringify(dataSets) : listText(dataSets));
    }),
  );
}

export function removeCommand(): Command {
  return storeCommand('remove', 'take a data set out of the object store; workers keep what they hold')
    .argument('<name>', 'as pushed')
    .action(async (name: string, flags: StoreFlags) =>
      withStore(flags, async (store) => {
        await store.remove(dataSetName(name, 'name'));
        print(flags.json ? JSON.stringify({ removed: name }) : `${OBJECT_STORE_PREFIX}${name} is removed`);
      }),
    );
}

export function listText(dataSets: readonly StoredDataSet[]): string {
  if (dataSets.length === 0) return 'no data sets';
  return markdownTable({
    header: ['data set', 'rows', 'shape', 'partitions', 'MB', 'content'],
    rows: dataSets.map(({ name, bytes, manifest }) => [
      name,
      manifest?.rows ?? '',
      manifest === undefined ? '' : manifest.shape.join(' x '),
      manifest?.partitions.length ?? '',
      (bytes / MB).toFixed(1),
      manifest?.contentHash.slice(0, 12) ?? 'not whole: push it again, or remove it',
    ]),
  }).trimEnd();
}

function storeCommand(name: string, description: string): Command {
  const nats = clientFlag('--nats <URL,URL>', 'NATS servers of the cluster', natsServers);
  const command = new Command(name).description(description).addOption(nats.makeOptionMandatory());
  for (const option of natsSecurityOptions()) command.addOption(option);
  return command
    .addOption(clientFlag('--cluster-name <NAME>', 'that of the cluster', clusterName, NATS_NAMESPACE_DEFAULT))
    .addOption(
      clientFlag(
        '--nats-replicas <N>',
        `servers that keep a copy, one of ${NATS_REPLICAS.join(', ')}; counts where nothing is kept yet`,
        (value, flag) => Number(oneOf(NATS_REPLICAS)(value, flag)),
        '1',
      ),
    )
    .option('--json', 'print JSON');
}

async function withStore(flags: StoreFlags, use: (store: DatasetStore, signal: AbortSignal) => Promise<void>): Promise<void> {
  const interrupts = listenForInterrupts();
  try {
    const session = await NatsSession.open({
      servers: flags.nats,
      namespace: flags.clusterName,
      replicas: flags.natsReplicas,
      clientName: `golddiff dataset ${process.pid}`,
      security: flags,
    });
    try {
      await use(await DatasetStore.open(session), interrupts.signal);
    } finally {
      await session.close();
    }
  } finally {
    interrupts.release();
  }
}

function dataSetName(value: string, name: string): string {
  if (!DATA_SET_NAME_PATTERN.test(text(value, name))) throw argumentError(name, 'the name of a data set: letters, digits, ".", "_" and "-"', value);
  return value;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
