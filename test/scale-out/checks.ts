/** What must hold of the figures, whatever machine they come from. Wall time is not among it. */

import { sum, type BatchMeasurement } from './measure-batch.js';

export interface Check {
  readonly name: string;
  readonly held: boolean;
  /** the figures that it was decided by, for people */
  readonly detail: string;
}

/** Bytes may exceed their multiple by so much: numbers of different length in messages. */
const BYTES_SLACK = 1.02;
/** Standard deviations by which the golden rows of one worker may exceed its share; and the rows of the queries of one batch may all be the same. */
const SIGMAS = 6;

/**
 * One data set on clusters of several sizes.
 * @param measured of every case and size; the smallest size is what the others are compared with
 */
export function strongChecks(measured: readonly BatchMeasurement[]): Check[] {
  return casesOf(measured).flatMap((own) => {
    const [first, ...larger] = [...own].sort((a, b) => a.workers - b.workers) as [BatchMeasurement, ...BatchMeasurement[]];
    const name = `${first.method}, t = ${first.t}`;
    return [
      sameBytes(name, own),
      {
        name: `${name}: all workers together look at the same rows`,
        held: larger.every((m) => totals(m) === totals(first)),
        detail: totals(first),
      },
      ...own.flatMap((m) => rowChecks(name, m)),
      ...larger.flatMap((m) => bytesChecks(name, first, m)),
      ...own.map((m) => bothEndsCheck(name, m)),
    ];
  });
}

/** Clusters of several sizes over as many rows for each worker. @param alone the same data sets on one worker */
export function weakChecks(measured: readonly BatchMeasurement[], alone: readonly BatchMeasurement[]): Check[] {
  return measured.flatMap((m) => {
    const name = `${m.method}, t = ${m.t}, ${m.rows} rows`;
    const one = alone.find((a) => a.rows === m.rows && a.method === m.method && a.t === m.t);
    return [sameBytes(name, one === undefined ? [] : [one, m]), ...rowChecks(name, m), bothEndsCheck(name, m)];
  });
}

function sameBytes(name: string, own: readonly BatchMeasurement[]): Check {
  const digests = own.map(({ digest }) => digest);
  return {
    name: `${name}: the same bytes on ${own.map(({ workers }) => workers).join(', ')} workers`,
    held: digests.length > 1 && new Set(digests).size === 1,
    detail: [...new Set(digests)].join(', '),
  };
}

/** Rows that are looked at whatever the query are dealt evenly; golden rows lie where they lie, which is anywhere, as rows are shuffled at import. */
function rowChecks(name: string, m: BatchMeasurement): Check[] {
  return Object.entries(m.rowsByWorker).map(([stage, rows]) => {
    const [most, share] = [Math.max(...rows), sum(rows) / m.workers];
    const dealt = sum(rows) === m.rows * m.batch;
    const bound = dealt ? share : share + SIGMAS * m.batch * Math.sqrt(share / m.batch);
    return {
      name: `${name}: ${m.workers} workers have ${dealt ? '1/W' : 'about 1/W'} of the rows each (${stage})`,
      held: most <= bound,
      detail: `${most} at most, ${share} in the mean`,
    };
  });
}

/** A query goes to every worker; what comes back is a partial for each node that a worker cannot merge any further, and keys that do not depend on W. */
function bytesChecks(name: string, one: BatchMeasurement, m: BatchMeasurement): Check[] {
  const bound = (what: 'sent' | 'received', bytes: number, bytesOfOne: number, times: number): Check => ({
    name: `${name}: ${m.workers} workers, bytes ${what} at most ${times} times those of ${one.workers}`,
    held: bytes <= BYTES_SLACK * times * bytesOfOne,
    detail: `${(bytes / bytesOfOne).toFixed(2)} times`,
  });
  return [
    bound('sent', m.sentBytes, one.sentBytes, m.workers / one.workers),
    bound('received', m.receivedBytes, one.receivedBytes, m.partials / one.partials),
  ];
}

/** The counters of two kinds of processes must tell the same story. */
function bothEndsCheck(name: string, m: BatchMeasurement): Check {
  return {
    name: `${name}: what the coordinator sent and received is what ${m.workers} workers received and sent`,
    held: m.sentBytes > 0 && same(m.sentBytes, m.workersReceivedBytes) && same(m.receivedBytes, m.workersSentBytes),
    detail: `${m.sentBytes} and ${m.workersReceivedBytes}, ${m.receivedBytes} and ${m.workersSentBytes} bytes a step`,
  };
}

/** Of means over the steps, which are sums of integers divided. */
function same(a: number, b: number): boolean {
  return Math.abs(a - b) < 1e-3;
}

function totals({ rowsByWorker }: BatchMeasurement): string {
  const stages = Object.entries(rowsByWorker).map(([stage, rows]) => `${stage} ${sum(rows)}`);
  return stages.sort().join(', ');
}

export function casesOf(measured: readonly BatchMeasurement[]): BatchMeasurement[][] {
  const keys = [...new Set(measured.map(({ method, t }) => `${method} ${t}`))];
  return keys.map((key) => measured.filter(({ method, t }) => `${method} ${t}` === key));
}
