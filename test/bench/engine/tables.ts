/** Tables and verdicts of a report, for the terminal and for docs/BENCHMARKS.md. */

import { threeDigits } from './spread.js';

export interface Table {
  readonly title: string;
  readonly headings: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** One figure that the project promises. */
export interface Requirement {
  readonly name: string;
  readonly measured: number;
  readonly limit: number;
  /** which side of the limit is wanted */
  readonly wanted: 'at least' | 'at most';
}

/** What was left out of a run and what would bring it in. */
export type Note = string;

export interface Section {
  readonly tables: readonly Table[];
  readonly requirements: readonly Requirement[];
  readonly notes: readonly Note[];
  /** for the JSON line */
  readonly results: object;
}

export function isMet({ measured, limit, wanted }: Requirement): boolean {
  return wanted === 'at least' ? measured >= limit : measured <= limit;
}

export function verdict(requirement: Requirement): string {
  const { name, measured, limit, wanted } = requirement;
  return `${name}: ${threeDigits(measured)}, ${wanted} ${threeDigits(limit)} wanted: ${isMet(requirement) ? 'met' : 'NOT met'}`;
}

export function renderPlain({ title, headings, rows }: Table): string {
  const widths = headings.map((heading, i) => Math.max(heading.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (isText(rows, i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
  return [title, ...[headings, ...rows].map((cells) => line(cells).trimEnd())].join('\n');
}

export function renderMarkdown({ title, headings, rows }: Table): string {
  const rule = headings.map((_, i) => (isText(rows, i) ? ':---' : '---:'));
  return [`**${title}**`, '', ...[headings, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`)].join('\n');
}

/** Whether a column is read as words: numbers stand to the right. */
function isText(rows: readonly (readonly string[])[], column: number): boolean {
  return rows.some((row) => /^[A-Za-z]/.test(row[column]!));
}

export function renderSection(section: Section, markdown: boolean): string {
  const tables = section.tables.map((table) => (markdown ? renderMarkdown(table) : renderPlain(table)));
  const bullet = markdown ? '- ' : '';
  const lines = [...section.requirements.map(verdict), ...section.notes].map((line) => bullet + line);
  return [...tables, lines.join('\n')].filter((part) => part !== '').join('\n\n');
}
