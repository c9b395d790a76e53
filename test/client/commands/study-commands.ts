/** Runs one study command in this process, with what it prints. */

import { Command } from 'commander';

import { studyCommand } from '../../../client/commands/study.js';
import { writeNpy } from '../../../shared/dataset/npy.js';
import { smallRows } from '../../support/posterior-server.js';

/** Rejects with what the command throws. */
export async function runStudy(...args: string[]): Promise<string> {
  const program = new Command().addCommand(studyCommand());
  const quiet = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: () => {} });
    command.commands.forEach(quiet);
  };
  quiet(program);
  const write = process.stdout.write.bind(process.stdout);
  let out = '';
  process.stdout.write = (text: string | Uint8Array) => {
    if (typeof text === 'string') out += text;
    return typeof text === 'string' ? true : write(text);
  };
  try {
    await program.parseAsync(['study', ...args], { from: 'user' });
  } finally {
    process.stdout.write = write;
  }
  return out;
}

/** Three images that lie near the rows of the posterior server. */
export async function writeSmallImages(file: string): Promise<void> {
  await writeNpy(file, Float64Array.from([4, 50, 97].flatMap((row) => [...smallRows[row]!])), [3, 4]);
}
