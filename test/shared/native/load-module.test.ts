import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { loadModule } from '../../../shared/native/load-module.js';

interface Contract {
  detect(): number;
  close(): void;
}

const folder = mkdtempSync(path.join(tmpdir(), 'golddiff-module-'));
after(() => rmSync(folder, { recursive: true }));

function loaded(name: string, content: string): ReturnType<typeof loadModule<Contract>> {
  const file = path.join(folder, name);
  writeFileSync(file, content);
  return loadModule<Contract>(file, { detect: true, close: true }, { engine: 'toy', nextStep: 'run this' });
}

test('a module with every function of its contract is loaded', () => {
  const found = loaded('whole.cjs', 'exports.detect = () => 7; exports.close = () => {};');
  assert.ok('module' in found);
  assert.equal(found.module.detect(), 7);
});

test('a module that lacks a function, or has something else in its place, is of other sources', () => {
  for (const [name, content] of [
    ['less.cjs', 'exports.detect = () => 7;'],
    ['other.cjs', 'exports.detect = () => 7; exports.close = 1;'],
  ] as const)
    assert.deepEqual(loaded(name, content), { missing: 'the toy engine was built from other sources (it lacks close); run this' });
});

test('a module that does not load says why in one sentence, by what the loader said', () => {
  const reasons: [string, RegExp][] = [
    ['was compiled against NODE_MODULE_VERSION 99', /^the toy engine was built for another Node than v[\d.]+; run this$/],
    ['x.node: undefined symbol: napi_new', /^the toy engine was built for another Node than v[\d.]+; run this$/],
    ['x.node: invalid ELF header', /^the toy engine was built for another platform than \w+ \w+; run this$/],
    ['libfast.so.3: cannot open shared object file: No such file', /^the toy engine needs libfast\.so\.3, which is not here; run this$/],
    ['no luck\\nat line 3', /^the toy engine does not load \(no luck\); run this$/],
  ];
  reasons.forEach(([message, sentence], i) => {
    const found = loaded(`broken-${i}.cjs`, `throw new Error('${message}');`);
    assert.ok('missing' in found);
    assert.match(found.missing, sentence);
  });
  const text = loaded('text.node', 'this is no addon');
  assert.ok('missing' in text && /another platform/.test(text.missing), 'the words are those of the loader of this machine');
});
