/**
 * Flags of the client's commands. Unlike those of the services they are not environment variables, those of TLS excepted: a variable left over from yesterday must not
 * change what a command computes.
 */

import type { Command } from 'commander';

import { hostPort, httpUrl, integer, oneOf, real, text, type Parser } from '../../shared/config.js';
import { defined } from '../../shared/defined.js';
import { argumentError } from '../../shared/errors.js';
import {
  BATCH_ROWS_DEFAULT,
  BATCH_ROWS_MAX,
  DATA_SET_ROWS_MAX,
  EMBEDDED_SHARDS_MAX,
  MASS_TOLERANCE_MAX,
  PATCH_SIZE_MAX,
  PROXY_RESOLUTION_MAX,
} from '../../shared/limits.js';
import type { RetrievalChoice } from '../retrieval.js';
import type { DenoiserSettings } from '../score-call.js';
import {
  AGGREGATORS,
  DENOISERS,
  GOLDEN_VARIANTS,
  PRESAMPLES,
  SEARCHES,
  type AggregatorWord,
  type Denoiser,
  type GoldenVariantWord,
  type PresampleWord,
  type SearchWord,
} from '../vocabulary.js';
import type { ClientTarget } from '../with-client.js';
import { clientFlag } from './client-flag.js';
import { addTlsFlags } from './tls-flags.js';

/** One of the keys of a table of words. */
export function wordOf<T extends Record<string, string>>(table: T): Parser<keyof T & string> {
  return oneOf(Object.keys(table) as (keyof T & string)[]);
}

/** A whole number, or one word that stands for "decide yourself". */
export function integerOr<W extends string>(word: W, minimum: number, maximum: number): Parser<number | W> {
  return (value, name) => {
    if (value === word) return word;
    try {
      return integer(minimum, maximum)(value, name);
    } catch {
      throw argumentError(name, `${word} or a whole number from ${minimum} to ${maximum}`, value);
    }
  };
}

/** "3" or "0,1,2": classes, -1 for all rows. */
export const labelList: Parser<number[]> = (value, name) => {
  const labels = value.split(',').map((part) => (/^-?\d+$/.test(part.trim()) ? Number(part) : NaN));
  if (labels.some((label) => !Number.isInteger(label) || label < -1 || label > 2 ** 31 - 1))
    throw argumentError(name, 'a class or a list of classes such as 0,1,2 (-1 = all rows)', value);
  return labels;
};

/** A share of the mass: 0 would want every row and 1 none. */
const budget: Parser<number> = (value, name) => {
  const share = real(0, 1, true)(value, name);
  if (share === 1) throw argumentError(name, 'a share below 1', value);
  return share;
};

export function addTargetFlags(command: Command): Command {
  return addTlsFlags(command)
    .addOption(clientFlag('--endpoint <HOST:PORT>', 'coordinator of a running cluster', hostPort))
    .addOption(clientFlag('--data <DIR>', 'in place of --endpoint: run an embedded cluster over this data set for this one command', text))
    .addOption(clientFlag('--shards <S>', 'with --data: shard workers (default 4)', integer(1, EMBEDDED_SHARDS_MAX)))
    .addOption(clientFlag('--otlp-endpoint <URL>', 'send a trace of what this command asks for, by OTLP over HTTP', httpUrl))
    .addOption(clientFlag('--data-set <NAME>', 'data set to ask for, where the cluster serves several', text));
}

export type TargetFlags = ClientTarget & { readonly dataSet?: string };

/** With golden retrieval this is GoldDiff as published. The optimal denoiser gives back training rows at low noise, so it is only for who names it. */
const DENOISER_DEFAULT: Denoiser = 'pca';

export function addPosteriorFlags(command: Command): Command {
  const rows = integer(1, DATA_SET_ROWS_MAX);
  return command
    .addOption(clientFlag('--denoiser <NAME>', Object.keys(DENOISERS).join(' | '), wordOf(DENOISERS), DENOISER_DEFAULT))
    .addOption(
      clientFlag(
        '--retrieval <KIND>',
        'exact (score every row) | golden (score a golden subset); default golden, but exact with --tolerance and for wiener, which scores no rows',
        oneOf(['exact', 'golden']),
      ),
    )
    .addOption(
      clientFlag(
        '--tolerance <SHARE>',
        'exact: mass that may be left out where that is proven (default 2^-24); above it the bound is certified',
        real(0, MASS_TOLERANCE_MAX),
      ),
    )
    .addOption(clientFlag('--golden-variant <NAME>', 'golden: paper | released (default paper)', wordOf(GOLDEN_VARIANTS)))
    .addOption(clientFlag('--k-min <ROWS>', 'golden: rows of the subset at the least noise (default min(10000, N/20))', rows))
    .addOption(clientFlag('--k-max <ROWS>', 'golden: rows of the subset at the most noise (default min(20000, N/10))', rows))
    .addOption(
      clientFlag('--k <dynamic|ROWS>', 'golden: rows of the subset at every level (default dynamic)', integerOr('dynamic', 1, DATA_SET_ROWS_MAX)),
    )
    .addOption(clientFlag('--candidate-pool <auto|ROWS>', 'golden: rows that pass the proxy (default auto)', integerOr('auto', 1, DATA_SET_ROWS_MAX)))
    .addOption(clientFlag('--proxy-resolution <PIXELS>', 'golden: pixels along H after pooling', integer(1, PROXY_RESOLUTION_MAX)))
    .addOption(clientFlag('--presample <auto|all>', 'golden, released: how many rows are pre-sampled (default auto)', wordOf(PRESAMPLES)))
    .addOption(clientFlag('--search <NAME>', 'golden, paper: how the pool is found: auto | scan | hnsw (default auto)', wordOf(SEARCHES)))
    .addOption(clientFlag('--max-tail-mass <SHARE>', 'golden: bound that is accepted, in (0, 1); above it more rows are taken, at last all', budget))
    .addOption(
      clientFlag(
        '--aggregator <NAME>',
        'softmax (exact) | wss (mean of a softmax for each block of rows: biased, as in published baselines)',
        wordOf(AGGREGATORS),
      ),
    )
    .addOption(clientFlag('--block-rows <ROWS>', 'wss: rows in a block', rows))
    .addOption(clientFlag('--mask-threshold <SHARE>', 'pca: mask entries below this share of the largest are 0 (default .02)', real(0, 1, true)))
    .addOption(
      clientFlag(
        '--patch-size <PIXELS>',
        'patch, patch-equivariant: pixels per side, odd (default by noise level, as published)',
        integer(1, PATCH_SIZE_MAX),
      ),
    )
    .addOption(clientFlag('--labels <CLASSES>', 'posterior over rows of these classes: one for all, or one for each image', labelList))
    .addOption(clientFlag('--temperature <T>', 'divides the logits (default 1)', real(0, Infinity, true)))
    .addOption(clientFlag('--batch-rows <B>', `queries in one step, 1 to ${BATCH_ROWS_MAX}`, integer(1, BATCH_ROWS_MAX), String(BATCH_ROWS_DEFAULT)))
    .option('--allow-partial', 'answer from the partitions at hand where some are missing');
}

export interface PosteriorFlags {
  readonly denoiser: Denoiser;
  readonly retrieval?: 'exact' | 'golden';
  readonly tolerance?: number;
  readonly goldenVariant?: GoldenVariantWord;
  readonly kMin?: number;
  readonly kMax?: number;
  readonly k?: number | 'dynamic';
  readonly candidatePool?: number | 'auto';
  readonly proxyResolution?: number;
  readonly presample?: PresampleWord;
  readonly search?: SearchWord;
  readonly maxTailMass?: number;
  readonly aggregator?: AggregatorWord;
  readonly blockRows?: number;
  readonly maskThreshold?: number;
  readonly patchSize?: number;
  readonly labels?: readonly number[];
  readonly temperature?: number;
  readonly batchRows: number;
  readonly allowPartial?: boolean;
}

/** Denoisers that are made of patches. */
export const PATCHES: readonly Denoiser[] = ['patch', 'patch-equivariant'];

/** Errors: ARGUMENT_INVALID for a flag of another denoiser: it would have no effect. Undefined where there is no setting. */
export function readDenoiserSettings({ denoiser, maskThreshold, patchSize }: PosteriorFlags): DenoiserSettings | undefined {
  if (maskThreshold !== undefined && denoiser !== 'pca') throw argumentError('--mask-threshold', '--denoiser pca', denoiser);
  if (patchSize !== undefined && !PATCHES.includes(denoiser)) throw argumentError('--patch-size', `--denoiser ${PATCHES.join(' or ')}`, denoiser);
  return maskThreshold === undefined && patchSize === undefined ? undefined : defined({ maskThreshold, patchSize });
}

/** Errors: ARGUMENT_INVALID for a flag of the other retrieval, named or by default: it would have no effect. */
export function readRetrieval(flags: PosteriorFlags): RetrievalChoice {
  const { goldenVariant, kMin, kMax, k, candidatePool, proxyResolution, presample, search, maxTailMass } = flags;
  const golden = { variant: goldenVariant, kMin, kMax, k, candidatePool, proxyResolution, presample, search, maxTailMass };
  const given = Object.entries(golden).filter(([, value]) => value !== undefined);
  const kind = flags.retrieval ?? (flags.denoiser === 'wiener' || flags.tolerance !== undefined ? 'exact' : 'golden');
  if (search === 'hnsw' && goldenVariant === 'released')
    throw argumentError('--search', 'auto or scan, since --golden-variant released chooses among random rows, which no index holds,', search);
  if (flags.tolerance !== undefined && kind === 'golden') throw argumentError('--tolerance', '--retrieval exact', 'golden');
  const { aggregator, blockRows } = flags;
  if ((aggregator === 'wss') !== (blockRows !== undefined))
    throw aggregator === 'wss'
      ? argumentError('--block-rows', 'the rows of a block with --aggregator wss', blockRows)
      : argumentError('--block-rows', '--aggregator wss', aggregator);
  const aggregation = defined({ aggregator, blockRows });
  if (kind === 'golden') return { kind, ...Object.fromEntries(given), ...aggregation };
  if (given.length > 0) {
    const name = given[0]?.[0] === 'variant' ? 'goldenVariant' : (given[0]?.[0] ?? '');
    throw argumentError(`--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`, '--retrieval golden', 'exact');
  }
  return { kind, ...defined({ tolerance: flags.tolerance }), ...aggregation };
}
