/** The command line as a process of its own. */

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const program = fileURLToPath(new URL('../../client/main.js', import.meta.url));

export interface CommandRun {
  /** null where a signal ended it */
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** @param env beside that of this process */
export function run(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CommandRun> {
  const child = spawn(process.execPath, [program, ...words], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  let out = '';
  let err = '';
  child.stdout.on('data', (text: Buffer) => (out += text.toString()));
  child.stderr.on('data', (text: Buffer) => (err += text.toString()));
  return new Promise((resolve) => child.once('close', (status) => resolve({ status, out, err })));
}

/** Exit status, and what was said: sentences of a command, messages of fatal log lines of a service. */
export async function ending(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ status: number | null; said: string[] }> {
  const { status, err } = await run(words, env);
  const said = err.split('\n').flatMap((line) => {
    if (!line.startsWith('{')) return line === '' ? [] : [line];
    const { level, msg } = JSON.parse(line) as { level: number | string; msg: string };
    return level === 60 || level === 'fatal' ? [msg] : [];
  });
  return { status, said };
}
