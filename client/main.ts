#!/usr/bin/env node
import { Command } from 'commander';

import { EXIT_FAILED, runCommandLine } from '../shared/config.js';
import { GolddiffError } from '../shared/errors.js';
import { healthCommand } from './commands/health.js';

const words = process.argv.slice(2);
// A probe asks every few seconds: it must not load what draws pictures.
const program =
  words[0] === 'health' ? new Command('golddiff').addCommand(healthCommand()) : (await import('./commands/all-commands.js')).allCommands();

// A reader that has seen enough, such as head, is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

try {
  const status = await runCommandLine(program, words);
  if (status !== 0) process.exitCode = status;
} catch (thrown) {
  process.stderr.write(`${thrown instanceof GolddiffError ? thrown.message : thrown instanceof Error ? thrown.stack : String(thrown)}\n`);
  process.exitCode = EXIT_FAILED;
}
