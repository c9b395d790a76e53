/** What a backend of TypeScript compute threads and those threads tell each other. */

import type { ErrorCode, ErrorData } from '../../../shared/errors.js';
import type { GroupedPartial } from '../../../shared/math/grouped-partial.js';
import type { MomentSums } from '../../../shared/math/moment-sums.js';
import type { PosteriorScalars } from '../../../shared/math/partial-posterior.js';
import type {
  CandidateLists,
  GlobalScalars,
  PartitionRows,
  PartitionScreen,
  PartitionSums,
  RankRequest,
  ScreenStage,
  StageCuts,
  StepQueries,
} from '../backend.js';

export interface ThreadSettings {
  readonly stepStateBytesMax: number;
  /** counter of StepMemory, the same for all threads */
  readonly stepMemory: SharedArrayBuffer;
}

export type StepOperation =
  | { readonly kind: 'screen'; readonly stage: ScreenStage; readonly cuts: StageCuts; readonly ranks: RankRequest }
  | { readonly kind: 'scalars'; readonly cuts: StageCuts }
  | { readonly kind: 'groups'; readonly cuts: StageCuts }
  | {
      readonly kind: 'sums';
      readonly cuts: StageCuts;
      readonly global: GlobalScalars;
      readonly negligibleShare: number;
      readonly histogram: boolean;
    };

export type StepResult = PartitionScreen | PosteriorScalars | PartitionSums | GroupedPartial;

/** A device that a thread owns: what it is, and what it holds, of partitions and of everything else. */
export interface DeviceState {
  readonly about: object;
  readonly tensors: number;
  readonly bytes: number;
}

/** null of a load */
export type TaskResult = StepResult | MomentSums | DeviceState | null;

export type ToThread =
  | { readonly kind: 'load'; readonly task: number; readonly key: string; readonly partition: PartitionRows }
  | { readonly kind: 'unload'; readonly key: string }
  /** `cancelled` turns 1 when the step is closed; looked at while computing */
  | { readonly kind: 'open'; readonly step: number; readonly queries: StepQueries; readonly cancelled: Int32Array }
  | { readonly kind: 'restrict'; readonly step: number; readonly key: string; readonly candidates: CandidateLists }
  | { readonly kind: 'task'; readonly task: number; readonly step: number; readonly key: string; readonly operation: StepOperation }
  | { readonly kind: 'close'; readonly step: number }
  | { readonly kind: 'moments'; readonly task: number; readonly key: string; readonly label: number }
  | { readonly kind: 'device'; readonly task: number };

export interface TaskFailure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly data: ErrorData;
}

export type FromThread =
  | { readonly kind: 'result'; readonly task: number; readonly result: TaskResult }
  | { readonly kind: 'failure'; readonly task: number; readonly failure: TaskFailure }
  | { readonly kind: 'proxies'; readonly key: string; readonly bytes: number };
