/** The golddiff command with everything that it can do. */

import { Command } from 'commander';

import { golddiffVersion } from '../versions.js';
import { benchCommand } from './bench.js';
import { clusterCommand } from './cluster.js';
import { datasetCommand } from './dataset.js';
import { denoiseCommand } from './denoise.js';
import { healthCommand } from './health.js';
import { jobsCommand } from './jobs.js';
import { sampleCommand } from './sample.js';
import { serviceCommand } from './service.js';
import { studyCommand } from './study.js';

export function allCommands(): Command {
  return new Command('golddiff')
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
    .addCommand(healthCommand())
    .addCommand(studyCommand())
    .addCommand(benchCommand());
}
