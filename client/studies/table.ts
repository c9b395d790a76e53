/** One table as markdown for people, and as CSV for programs. */

export type Cell = string | number | boolean;

export interface Table {
  readonly header: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/** Columns of numbers stand right. Cells are padded, so that the text reads as a table too. */
export function markdownTable({ header, rows }: Table): string {
  const cells = [header, ...rows].map((row) => row.map((cell) => String(cell).replaceAll('|', '\\|')));
  const widths = header.map((_, column) => Math.max(3, ...cells.map((row) => row[column]!.length)));
  const numeric = header.map(
    (_, column) => rows.length > 0 && rows.every((row) => /^[\s≤<>-]*[\d.]/.test(String(row[column])) || row[column] === ''),
  );
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => (numeric[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (numeric[column] ? `${'-'.repeat(width + 1)}:` : `${'-'.repeat(width + 2)}`)).join('|')}|`;
  const [first, ...rest] = cells;
  return `${[line(first!), rule, ...rest.map(line)].join('\n')}\n`;
}

/** RFC 4180, with full precision of the numbers. */
export function csvText({ header, rows }: Table): string {
  const field = (cell: Cell): string => (/[",\n\r]/.test(String(cell)) ? `"${String(cell).replaceAll('"', '""')}"` : String(cell));
  return [header, ...rows].map((row) => `${row.map(field).join(',')}\n`).join('');
}

/** Three figures that a reader can compare: 12,345, 12.3, 0.0123, 1.23e-5. */
export function readable(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 999.5) return Math.round(value).toLocaleString('en-US');
  if (size < 1e-3) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}
