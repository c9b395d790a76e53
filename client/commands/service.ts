/**
 * golddiff coordinator, golddiff shard-worker: the service's own program as a child process that gets every argument as it is. The services stay
 * apart from the client; a container may as well run dist/<service>/main.js itself.
 */

import { spawn } from 'node:child_process';

import { Command } from 'commander';

import { serviceProgram } from '../embedded-cluster.js';
import { SERVICE_NODE_FLAGS } from '../service-node-flags.js';

/** The last one asks the service to leave, see shared/process-lifecycle.ts. */
const FORWARDED_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'] as const;

export function serviceCommand(service: 'coordinator' | 'shard-worker', description: string): Command {
  return new Command(service)
    .description(description)
    .argument('[arguments...]', 'flags of the service, see --help')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (args: string[]) => {
      process.exitCode = await runProgram(serviceProgram(service), args, SERVICE_NODE_FLAGS);
    });
}

/** Runs a program of ours to its end with our own streams and gives its exit status; a death by signal counts as 1. */
export function runProgram(program: string, args: readonly string[], nodeFlags: readonly string[] = []): Promise<number> {
  // In a process group of its own, else Ctrl-C would reach it twice and the second one means "at once"; the IPC channel ends it if we are killed.
  const child = spawn(process.execPath, [...nodeFlags, program, ...args], { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], detached: true });
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of FORWARDED_SIGNALS) process.on(signal, forward);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => {
      for (const signal of FORWARDED_SIGNALS) process.off(signal, forward);
      resolve(code ?? 1);
    });
  });
}
