import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { ADDON_PLACES, loadAddon } from '../../../shared/native/load-addon.js';
import { ISAS } from '../../../shared/native/native-addon.js';
import { skip } from '../../shard-worker/backends/native/addon-under-test.js';

const folder = mkdtempSync(path.join(tmpdir(), 'golddiff-addon-'));

/** The sentence for a file of these bytes, and an attempt of this text; undefined = no such file. */
function missingWith(name: string, file: string | Uint8Array | undefined, attempt?: string): string {
  const places = { file: path.join(folder, `${name}.node`), attempt: path.join(folder, `${name}.json`) };
  if (file !== undefined) writeFileSync(places.file, file);
  if (attempt !== undefined) writeFileSync(places.attempt, attempt);
  const loaded = loadAddon(places);
  assert.ok('missing' in loaded);
  return loaded.missing;
}

test('an addon that was never built is missing with the next step', () => {
  assert.equal(missingWith('never', undefined), 'the native engine has not been built; run npm run build:native');
  assert.equal(missingWith('broken-attempt', undefined, '{'), 'the native engine has not been built; run npm run build:native');
});

test('an addon whose build failed says why it failed', () => {
  const attempt = JSON.stringify({ stamp: 's', failure: 'no C++ compiler was found' });
  assert.equal(missingWith('failed', undefined, attempt), 'the native engine was not built: no C++ compiler was found; run npm run build:native');
});

test('an addon for another platform, or a file that is none, is missing in one sentence', () => {
  const text = missingWith('text', 'this is no addon');
  assert.match(text, /^the native engine was built for another platform than \w+ \w+; run npm run build:native$/);
  const empty = missingWith('empty', new Uint8Array(0));
  assert.match(empty, /^the native engine .*; run npm run build:native$/);
  assert.ok(!empty.includes('\n'));
});

test('an addon without a function that is called is of other sources', { skip }, () => {
  for (const lacking of ['groups', 'moments']) {
    const file = path.join(folder, `without-${lacking}.cjs`);
    writeFileSync(file, `module.exports = { ...require(${JSON.stringify(ADDON_PLACES.file)}), ${lacking}: undefined };`);
    assert.deepEqual(loadAddon({ ...ADDON_PLACES, file }), {
      missing: `the native engine was built from other sources (it lacks ${lacking}); run npm run build:native`,
    });
  }
});

test('the addon of this checkout loads and names instruction sets of this machine, scalar among them', { skip }, () => {
  const loaded = loadAddon(ADDON_PLACES);
  assert.ok('addon' in loaded);
  assert.ok(loaded.isas.includes('scalar'));
  assert.deepEqual(
    loaded.isas,
    ISAS.filter((isa) => loaded.isas.includes(isa)),
    'best first',
  );
});
