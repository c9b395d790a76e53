/** golddiff sample: images into a folder. */

import { Command } from 'commander';

import { integer, text } from '../../shared/config.js';
import { SAMPLE_STEPS_MAX } from '../../shared/limits.js';
import { collectSamples } from '../collect-samples.js';
import { startProgress } from '../progress.js';
import { describeRun, writeSampleArtifacts } from '../sample-artifacts.js';
import { withClient } from '../with-client.js';
import { clientFlag } from './client-flag.js';
import { addTargetFlags, type TargetFlags } from './flags.js';
import { addSampleFlags, readSampleInput, type SampleFlags } from './sample-flags.js';

interface RunFlags extends TargetFlags, SampleFlags {
  readonly dataSet?: string;
  readonly previewEvery: number;
  readonly out: string;
  readonly json?: boolean;
}

export function sampleCommand(): Command {
  const command = new Command('sample').description('sample images: samples.npy, samples.png, trajectory.png and run.json into a folder');
  return addSampleFlags(addTargetFlags(command))
    .addOption(clientFlag('--preview-every <STEPS>', 'draw x0hat every so many steps; 0 = never', integer(0, SAMPLE_STEPS_MAX), '1'))
    .addOption(clientFlag('--out <DIR>', 'folder of the results', text, 'out'))
    .option('--json', 'print run.json on stdout')
    .action(async (flags: RunFlags) => run(flags));
}

async function run(flags: RunFlags): Promise<void> {
  const input = { ...(await readSampleInput(flags)), previewEvery: flags.previewEvery };
  await withClient(flags, async ({ client, signal, cluster }) => {
    const dataSet = await client.datasets.get(flags.dataSet, { signal });
    const bar = startProgress('sampling', input.count ?? 0, 'images');
    try {
      const result = await collectSamples(client.sample(input, { signal }), (event) =>
        bar.update(Math.floor((event.evaluationsDone / event.evaluationsTotal) * (input.count ?? 0)), `step ${event.step}/${event.steps}`),
      );
      const where = cluster === undefined ? { endpoint: client.endpoint } : { embedded: true, shards: cluster.workers.length };
      const report = describeRun(dataSet, input, result, where);
      const names = await writeSampleArtifacts(flags.out, result, report);
      if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
      else process.stdout.write(`${result.count} images in ${(result.summary.totalMs / 1000).toFixed(1)} s: ${names.join(', ')} in ${flags.out}\n`);
    } finally {
      bar.stop();
    }
  });
}
