/** golddiff bench: what docs/BENCHMARKS.md reports. Each benchmark is a program of its own under test/bench, which gets every argument as it is. */

import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { Command } from 'commander';

import { runProgram } from './service.js';

const BENCHMARKS = {
  'data-plane': 'one step of a batch between a coordinator and workers that answer at once, against an echo of the same bytes',
  engine: 'the compute of a step against rivals and against what the machine allows',
} as const;

export function benchCommand(): Command {
  const bench = new Command('bench').description('measure this build on this machine').enablePositionalOptions();
  for (const [name, description] of Object.entries(BENCHMARKS)) {
    bench
      .command(name)
      .description(description)
      .argument('[arguments...]', 'flags of the benchmark, see --help')
      .helpOption(false)
      .allowUnknownOption()
      .passThroughOptions()
      .action(async (args: string[]) => {
        process.exitCode = await runProgram(benchmarkProgram(name), args);
      });
  }
  return bench;
}

/** Next to the running build: dist/client/commands/this file -> dist/test/bench/NAME.js. */
export function benchmarkProgram(name: string): string {
  return path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'test', 'bench', `${name}.js`);
}
