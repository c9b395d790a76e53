import process from 'node:process';
import { runCommandLine } from '../shared/config.js';
import { runService } from '../shared/process-lifecycle.js';
import { coordinatorCommand } from './config.js';
import { startCoordinator } from './server.js';

const command = coordinatorCommand((config) =>
  runService((log) => startCoordinator(config, log), { component: 'coordinator', logLevel: config.logLevel }),
);
process.exitCode = await runCommandLine(command, process.argv.slice(2));
