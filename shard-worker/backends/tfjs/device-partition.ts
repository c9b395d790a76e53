/** A partition on a device: its rows, and proxies per resolution once they have been asked for. */

import { GolddiffError, invariant } from '../../../shared/errors.js';
import type { GroupedPartial } from '../../../shared/math/grouped-partial.js';
import { proxyGeometry, type ProxyGeometry } from '../../../shared/math/proxy.js';
import { CANCEL_CHECK_ROWS } from '../../../shared/limits.js';
import type { PartitionRows, StepPrecision } from '../backend.js';
import type { DistanceQueries, RowList } from '../reference/row-distances.js';
import { fullRows, proxyRows } from '../reference/row-source.js';
import type { Gathered, LogitQueries, ThreadPartition } from '../reference/step-partition.js';
import type { PartitionBytes } from '../reference/threaded-backend.js';
import { deviceDistances } from './device-distances.js';
import { deviceGroups } from './device-groups.js';
import { DeviceRows } from './device-rows.js';
import { deviceSums } from './device-sums.js';
import { byteRows, BYTES_IN_WORD, wholeRows } from './row-words.js';
import type { TensorDevice, TfjsFacts } from './tensor-ops.js';

export class DevicePartition implements ThreadPartition {
  readonly rows: number;
  readonly rowValues: number;
  readonly shape: readonly [number, number, number];
  readonly labels: Int32Array;
  readonly rowIds: Uint32Array;
  readonly values: Uint8Array | Float32Array;
  readonly #device: TensorDevice;
  readonly #full: DeviceRows;
  readonly #proxies = new Map<number, DeviceRows>();

  /** @throws LIMIT_EXCEEDED where the device has no room */
  constructor(device: TensorDevice, { rows, shape, values, labels, rowIds, dataSet, partition }: PartitionRows) {
    this.rows = rows;
    this.rowValues = shape[0] * shape[1] * shape[2];
    this.shape = shape;
    this.labels = labels;
    this.rowIds = rowIds;
    this.values = values;
    this.#device = device;
    const words =
      values instanceof Uint8Array
        ? byteRows(values, rows, this.rowValues)
        : wholeRows(values, rows, this.rowValues, { divisor: 1, offset: 0, middle: 0, whole: false });
    try {
      this.#full = new DeviceRows(device, words);
    } catch (cause) {
      if (cause instanceof GolddiffError) throw cause;
      const needed = words.words.byteLength;
      const held = device.ops.memory().numBytes;
      const text = `Partition ${partition} of ${dataSet} needs ${needed} bytes of device memory, which TensorFlow.js does not give beside the ${held} it holds`;
      throw new GolddiffError('LIMIT_EXCEEDED', text, { partitions: [partition] }, { cause });
    }
  }

  get proxyBytes(): number {
    let bytes = 0;
    for (const proxies of this.#proxies.values()) bytes += proxies.bytes;
    return bytes;
  }

  fullDistances(queries: DistanceQueries, wanted: readonly number[], lists: readonly RowList[], checkpoint: () => void): Float64Array[] {
    return deviceDistances(this.#full, queries, wanted, lists, checkpoint);
  }

  proxyDistances(
    geometry: ProxyGeometry,
    queries: DistanceQueries,
    wanted: readonly number[],
    lists: readonly RowList[],
    checkpoint: () => void,
  ): Float64Array[] {
    return deviceDistances(this.#proxiesOf(geometry, checkpoint), queries, wanted, lists, checkpoint);
  }

  sumRows(gathered: readonly Gathered[], sums: Float32Array, checkpoint: () => void): void {
    deviceSums(this.#full, gathered, sums, checkpoint);
  }

  groups(queries: LogitQueries, { groups, kinds, of }: StepPrecision, lists: readonly RowList[], checkpoint: () => void): GroupedPartial {
    const own = kinds.map((kind) => {
      invariant(kind.kind !== 'equivariant', 'patches from all locations go to another backend');
      return kind;
    });
    return deviceGroups(this.#full, { ...queries, of, groups, kinds: own }, lists, this.shape, checkpoint);
  }

  dispose(): void {
    this.#full.dispose();
    for (const proxies of this.#proxies.values()) proxies.dispose();
    this.#proxies.clear();
  }

  /** Built on the host at the first call and kept; a pass that `checkpoint` leaves by throwing keeps nothing. */
  #proxiesOf(geometry: ProxyGeometry, checkpoint: () => void): DeviceRows {
    if (geometry.factor === 1) return this.#full;
    const known = this.#proxies.get(geometry.factor);
    if (known) return known;
    const { values, divisor, offset } = proxyRows(fullRows(this.values, this.rows, this.rowValues), this.shape, geometry, (row) => {
      if (row % CANCEL_CHECK_ROWS === 0) checkpoint();
    });
    const whole = this.values instanceof Uint8Array;
    // Sums of bytes lie about that of a half grey block.
    const stands = { divisor, offset, middle: whole ? Math.round(divisor) : 0, whole };
    const built = new DeviceRows(this.#device, wholeRows(values, this.rows, geometry.values, stands));
    this.#proxies.set(geometry.factor, built);
    return built;
  }
}

/** Rows and proxies that are no whole numbers have two words for each value. */
const FLOAT_WORDS = 2;
const WORD_BYTES = 4;
const SQUARE_BYTES = 8;

/**
 * What a partition takes: words of its rows and of the proxies that are used where no resolution is asked for, and |V|^2 of each. The rows themselves stay in host
 * memory, where they count if the words lie there too.
 */
export function deviceBytesOf({ values, labels, rowIds, rows, shape }: PartitionRows, device: TfjsFacts['device']): PartitionBytes {
  const D = shape[0] * shape[1] * shape[2];
  const eightBit = values instanceof Uint8Array;
  const width = eightBit ? Math.ceil(D / BYTES_IN_WORD) : FLOAT_WORDS * D;
  const geometry = proxyGeometry(shape, 0);
  const bytes = (words: number): number => rows * (words * WORD_BYTES + SQUARE_BYTES);
  return {
    rows: bytes(width) + labels.byteLength + rowIds.byteLength + (device === 'cpu' ? values.byteLength : 0),
    proxies: geometry.factor === 1 ? 0 : bytes(geometry.values * (eightBit ? 1 : FLOAT_WORDS)),
  };
}
