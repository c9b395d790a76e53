/** Checks that every source makes on what it found. */

import { fileError } from '../../shared/errors.js';
import { DATA_SET_ROWS_MAX, ROW_VALUES_MAX } from '../../shared/limits.js';

/** [C, H, W] */
export type RowShape = readonly [number, number, number];

/** Large enough that a call is nothing beside its bytes, small beside any partition buffer. */
const BLOCK_BYTES = 1024 * 1024;

/** Rows in one block of a source: about a megabyte, at least one row. */
export function blockRows(rowBytes: number): number {
  return Math.max(1, Math.floor(BLOCK_BYTES / rowBytes));
}

/** Throws FILE_INVALID, at the byte where the file states its shape, for no rows, too many, or rows too long. */
export function checkRowShape(file: string, offsetBytes: number, rows: number, shape: RowShape): void {
  if (rows < 1 || rows > DATA_SET_ROWS_MAX) throw fileError(file, offsetBytes, `1 to ${DATA_SET_ROWS_MAX} rows`, rows);
  const values = shape[0] * shape[1] * shape[2];
  if (values < 1 || values > ROW_VALUES_MAX) throw fileError(file, offsetBytes, `rows of 1 to ${ROW_VALUES_MAX} values`, `[${shape.join(', ')}]`);
}
