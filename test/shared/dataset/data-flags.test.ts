import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';
import { runCommandLine } from '../../../shared/config.js';
import { dataCacheDefault, dataFetchFlags, type DataFetchFlags } from '../../../shared/dataset/data-flags.js';
import { DATA_CACHE_BYTES_DEFAULT, DATA_FETCHES_DEFAULT } from '../../../shared/limits.js';

async function parsed(...argv: string[]): Promise<DataFetchFlags | number> {
  let flags: DataFetchFlags | undefined;
  const command = new Command().action((given: DataFetchFlags) => void (flags = given));
  for (const option of dataFetchFlags()) command.addOption(option);
  const status = await runCommandLine(command, argv);
  return flags ?? status;
}

test('cache, its size and fetches at once are flags with defaults', async () => {
  assert.deepEqual(await parsed(), { dataCacheBytes: DATA_CACHE_BYTES_DEFAULT, dataFetches: DATA_FETCHES_DEFAULT });
  assert.deepEqual(await parsed('--data-cache', '/c', '--data-cache-bytes', '2Gi', '--data-fetches', '9'), {
    dataCache: '/c',
    dataCacheBytes: 2 * 2 ** 30,
    dataFetches: 9,
  });
  for (const wrong of [
    ['--data-cache', ''],
    ['--data-cache-bytes', '0'],
    ['--data-fetches', '0'],
    ['--data-fetches', '1000'],
  ])
    assert.equal(await parsed(...wrong), 2);
});

test('the cache lies in the cache folder of the user', () => {
  const before = process.env['XDG_CACHE_HOME'];
  try {
    process.env['XDG_CACHE_HOME'] = '/x';
    assert.equal(dataCacheDefault(), '/x/golddiff/data');
    process.env['XDG_CACHE_HOME'] = '';
    assert.match(dataCacheDefault(), /\.cache\/golddiff\/data$/);
  } finally {
    if (before === undefined) delete process.env['XDG_CACHE_HOME'];
    else process.env['XDG_CACHE_HOME'] = before;
  }
});
