/** docs/RELIABILITY.md: the part that a run writes. What stands around it is written by hand. */

import { markdownTable } from '../../client/studies/table.js';
import type { Fault, FaultFigures } from './fault.js';

export interface FaultOutcome {
  readonly fault: Pick<Fault, 'name' | 'holds' | 'skip'>;
  /** undefined = skipped */
  readonly figures: FaultFigures | undefined;
}

export interface FaultRun {
  readonly outcomes: readonly FaultOutcome[];
  readonly cores: number;
  readonly node: string;
  readonly commit: string;
  readonly date: string;
  readonly command: string;
  readonly seconds: number;
}

export const BEGIN = '<!-- what follows is written by npm run test:faults -->';
export const END = '<!-- until here -->';

/** One line. */
export function figuresText({ answers, errors, late, longestMs, troubleMs, recoveredMs, recovery, notes }: FaultFigures): string {
  const parts = [
    `${answers} answers, all the same bytes`,
    `errors: ${errorsText(errors)}`,
    ...(late === undefined ? [] : [`${late} late`]),
    ...(longestMs === undefined ? [] : [`longest answer ${Math.round(longestMs)} ms`]),
    ...(troubleMs === undefined ? [] : [`as before after ${Math.round(troubleMs)} ms`]),
    `${recovery}: ${Math.round(recoveredMs)} ms`,
    ...notes,
  ];
  return parts.join('; ');
}

/** The document with its table made anew. @throws where it has no place for one */
export function withTable(document: string, run: FaultRun): string {
  const [from, to] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`Expected ${BEGIN} and ${END} in the document but received one without`);
  return `${document.slice(0, from)}${BEGIN}\n\n${reportText(run)}\n${document.slice(to)}`;
}

export function reportText({ outcomes, cores, node, commit, date, command, seconds }: FaultRun): string {
  const ran = outcomes.filter(({ figures }) => figures !== undefined);
  const skipped = outcomes.filter(({ figures }) => figures === undefined);
  const figures = ran.map(({ fault, figures: f }) => [
    fault.name,
    f!.answers === 0 ? '' : String(f!.answers),
    errorsText(f!.errors),
    rounded(f!.late),
    rounded(f!.longestMs),
    rounded(f!.troubleMs),
    `${Math.round(f!.recoveredMs)} ms: ${f!.recovery}`,
  ]);
  const held = ran.map(({ fault, figures: f }) => [fault.name, fault.holds, f!.notes.join('; ')]);
  const parts = [
    `Made by \`${command}\` at commit ${commit} (${date}; ${cores} virtual cores shared by all processes and clients, Node ${node}; ${Math.round(seconds)} s in all): ${ran.length} faults ran and held, ${skipped.length} were skipped.`,
    markdownTable({
      header: ['fault', 'answers', 'errors', 'late', 'longest answer ms', 'as before after ms', 'recovered'],
      rows: figures,
    }).trimEnd(),
    markdownTable({ header: ['fault', 'also asserted', 'seen'], rows: held }).trimEnd(),
    ...skipped.map(({ fault }) => `- skipped: ${fault.name}: ${fault.skip ?? ''}`),
  ];
  return `${parts.join('\n\n')}\n`;
}

function rounded(value: number | undefined): string {
  return value === undefined ? '' : String(Math.round(value));
}

function errorsText(errors: Readonly<Record<string, number>>): string {
  const each = Object.entries(errors).map(([code, count]) => `${count} ${code}`);
  return each.length === 0 ? 'none' : each.join(', ');
}
