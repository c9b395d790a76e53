/** A fault: what is broken, under what load, and what came of it. What must hold is asserted by the fault itself; these are its figures. */

export interface FaultFigures {
  /** answers to the load, each with the bytes of an undisturbed run */
  readonly answers: number;
  /** errors that the load met, all of a declared kind: their number by code */
  readonly errors: Readonly<Record<string, number>>;
  /** longest wait of the load for an answer */
  readonly longestMs?: number;
  /** answers since the fault that took much longer than those before it */
  readonly late?: number;
  /** from the fault to the end of the last request that failed or was late, before a while without any; absent where the fault goes on */
  readonly troubleMs?: number;
  /** from the fault, or from its end, to what `recovery` says */
  readonly recoveredMs: number;
  readonly recovery: string;
  /** what else was seen, in a few words */
  readonly notes: readonly string[];
}

export interface Fault {
  /** a few words: the row of the report, and the name of the test */
  readonly name: string;
  /** what is asserted beside the same bytes, declared errors and coverage */
  readonly holds: string;
  /** why it cannot be run here, and what enables it */
  readonly skip?: string | undefined;
  /** part of npm test */
  readonly fast?: boolean;
  /** @throws where something does not hold */
  readonly run: () => Promise<FaultFigures>;
}
