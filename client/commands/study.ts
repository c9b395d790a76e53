/** golddiff study: measurements of a data set and of the ways to answer from it. */

import { Command } from 'commander';

import { concentrationCommand } from './study-concentration.js';
import { fidelityCommand } from './study-fidelity.js';
import { sheetCommand } from './study-sheet.js';

export function studyCommand(): Command {
  return new Command('study')
    .description('measure how the posterior concentrates, and how far cheaper answers are from exact ones: tables and pictures')
    .addCommand(concentrationCommand())
    .addCommand(fidelityCommand())
    .addCommand(sheetCommand());
}
