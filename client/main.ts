#!/usr/bin/env node
import { Command } from 'commander';

import { EXIT_FAILED, runCommandLine } from '../shared/config.js';
import { GolddiffError } from '../shared/errors.js';
import { benchCommand } from './commands/bench.js';
import { clusterCommand } from './commands/cluster.js';
import { datasetCommand } from './commands/dataset.js';
import { denoiseCommand } from './commands/denoise.js';
import { jobsCommand } from './commands/jobs.js';
import { sampleCommand } from './commands/sample.js';
import { serviceCommand } from './commands/service.js';
import { studyCommand } from './commands/study.js';
import { golddiffVersion } from './versions.js';

const program = new Command('golddiff')
  .description('Analytical diffusion as a service: exact and golden-subset denoising scores of sharded data sets')
  .version(golddiffVersion)
  .enablePositionalOptions()
  .addCommand(datasetCommand())
  .addCommand(clusterCommand())
  .addCommand(serviceCommand('coordinator', 'run one coordinator of a cluster'))
  .addCommand(serviceCommand('shard-worker', 'run one shard worker of a cluster'))
  .addCommand(sampleCommand())
  .addCommand(denoiseCommand())
  .addCommand(jobsCommand())
  .addCommand(studyCommand())
  .addCommand(benchCommand());

// A reader that has seen enough, such as head, is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

try {
  const status = await runCommandLine(program, process.argv.slice(2));
  if (status !== 0) process.exitCode = status;
} catch (thrown) {
  process.stderr.write(`${thrown instanceof GolddiffError ? thrown.message : thrown instanceof Error ? thrown.stack : String(thrown)}\n`);
  process.exitCode = EXIT_FAILED;
}
