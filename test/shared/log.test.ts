import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { it } from 'node:test';

const module = new URL('../../shared/log.js', import.meta.url).href;

function run(body: string): { lines: Record<string, unknown>[]; stdout: string } {
  const program = `import { createLogger } from ${JSON.stringify(module)};\n${body}`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  const lines = stderr.split('\n').filter((line) => line !== '');
  return { lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>), stdout };
}

it('writes JSON lines to stderr with component, level and time, and nothing to stdout', () => {
  const { lines, stdout } = run("createLogger('coordinator').info({ requestId: 'r' }, 'hello');");
  assert.equal(stdout, '');
  assert.equal(lines.length, 1);
  const { time, pid, ...rest } = lines[0] ?? {};
  assert.deepEqual(rest, { level: 'info', component: 'coordinator', requestId: 'r', msg: 'hello' });
  assert.match(String(time), /^\d{4}-\d\d-\d\dT/);
  assert.equal(typeof pid, 'number');
});

it('keeps to its level, and a line written right before the end is not lost', () => {
  const { lines } = run("const log = createLogger('x', 'warn'); log.info('no'); log.warn('yes'); process.exit(3);");
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    ['yes'],
  );
});
