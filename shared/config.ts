/**
 * Command-line flags that are environment variables too: `--metrics-listen` is GOLDDIFF_METRICS_LISTEN; the flag wins. A value that does not parse
 * ends the program with status 2 and one sentence that says what was expected.
 */

import { CommanderError, Option, type Command } from 'commander';
import { GolddiffError, argumentError } from './errors.js';
import { LOG_LEVELS, type LogLevel } from './log.js';

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/** Reads one value; `flag` is its name for the sentence of a refusal. Errors: ARGUMENT_INVALID. */
export type Parser<T> = (text: string, flag: string) => T;

export interface FlagSettings<T> {
  /** without dashes: "metrics-listen" */
  readonly name: string;
  /** what stands for the value in the help: "HOST:PORT"; none for a switch, whose parser is onOff */
  readonly placeholder?: string;
  readonly description: string;
  readonly parser?: Parser<T>;
  /** as the user would type it; read by the same parser */
  readonly fallback?: string;
  readonly mandatory?: boolean;
}

export function flag<T>(settings: FlagSettings<T>): Option {
  const shown = `--${settings.name}`;
  const variable = environmentName(settings.name);
  const value = settings.placeholder === undefined ? '[true|false]' : `<${settings.placeholder}>`;
  const option = new Option(`${shown} ${value}`, settings.description).env(variable);
  if (settings.placeholder === undefined) option.preset('true');
  const parser = settings.parser;
  if (parser !== undefined) {
    const read = (text: string): T => parser(text, `${shown} (or ${variable})`);
    option.argParser(read);
    if (settings.fallback !== undefined) option.default(read(settings.fallback), settings.fallback);
  } else if (settings.fallback !== undefined) {
    option.default(settings.fallback);
  }
  return settings.mandatory === true ? option.makeOptionMandatory() : option;
}

export function environmentName(flagName: string): string {
  return `GOLDDIFF_${flagName.toUpperCase().replaceAll('-', '_')}`;
}

export function integer(minimum: number, maximum: number): Parser<number> {
  return (text, name) => {
    const value = /^-?\d+$/.test(text.trim()) ? Number(text) : NaN;
    if (!Number.isSafeInteger(value) || value < minimum || value > maximum)
      throw argumentError(name, `a whole number from ${minimum} to ${maximum}`, text);
    return value;
  };
}

/** Finite, within [minimum, maximum], or above the minimum where that is excluded. */
export function real(minimum: number, maximum: number, excludeMinimum = false): Parser<number> {
  return (text, name) => {
    const value = text.trim() === '' ? NaN : Number(text);
    const low = excludeMinimum ? value > minimum : value >= minimum;
    if (!Number.isFinite(value) || !low || value > maximum)
      throw argumentError(name, `a number ${excludeMinimum ? 'above' : 'from'} ${minimum}${maximum === Infinity ? '' : ` to ${maximum}`}`, text);
    return value;
  };
}

/** "127.0.0.1:50051", "[::1]:50051", "worker-0.workers:50052"; port 0 takes a free one. */
export const hostPort: Parser<string> = (text, name) => {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(text.trim());
  if (match === null || Number(match[2]) > 65_535) throw argumentError(name, 'HOST:PORT', text);
  return match[0];
};

/** "off" stays as it is: commander has no value for an option that was given and says nothing. */
export const hostPortOrOff: Parser<string> = (text, name) => {
  if (text === 'off') return text;
  try {
    return hostPort(text, name);
  } catch {
    throw argumentError(name, 'HOST:PORT or off', text);
  }
};

export const hostPortList: Parser<string[]> = (text, name) => {
  const parts = text.split(',').map((part) => part.trim());
  if (new Set(parts).size !== parts.length) throw argumentError(name, 'HOST:PORT,HOST:PORT without repetition', text);
  try {
    return parts.map((part) => hostPort(part, name));
  } catch {
    throw argumentError(name, 'HOST:PORT,HOST:PORT', text);
  }
};

const BYTE_UNITS: Readonly<Record<string, number>> = { '': 1, K: 1e3, M: 1e6, G: 1e9, T: 1e12, KI: 2 ** 10, MI: 2 ** 20, GI: 2 ** 30, TI: 2 ** 40 };

/** "1073741824", "1Gi", "1.5G", with or without a final B. */
export const bytes: Parser<number> = (text, name) => {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?I?)B?$/i.exec(text.trim());
  const unit = BYTE_UNITS[match?.[2]?.toUpperCase() ?? 'none'];
  const value = match === null || unit === undefined ? NaN : Math.round(Number(match[1]) * unit);
  if (!Number.isSafeInteger(value) || value < 1) throw argumentError(name, 'a number of bytes, such as 1073741824 or 1Gi', text);
  return value;
};

export function oneOf<const T extends string>(choices: readonly T[]): Parser<T> {
  return (text, name) => {
    const found = choices.find((choice) => choice === text);
    if (found === undefined) throw argumentError(name, `one of ${choices.join(', ')}`, text);
    return found;
  };
}

export const httpUrl: Parser<string> = (value, name) => {
  if (!/^https?:\/\/[^/\s]/.test(value) || !URL.canParse(value)) throw argumentError(name, 'http(s)://HOST:PORT', value);
  return value;
};

export const text: Parser<string> = (value, name) => {
  if (value.trim() === '') throw argumentError(name, 'a text that is not empty', value);
  return value;
};

/** A switch: `--name` alone is "true", and its variable may say either; commander itself takes any value of a variable for a yes. */
export const onOff: Parser<boolean> = (text, name) => {
  const word = text.trim().toLowerCase();
  if (word !== 'true' && word !== 'false') throw argumentError(name, 'true or false', text);
  return word === 'true';
};

export const logLevel: Parser<LogLevel> = oneOf(LOG_LEVELS);

/** Flags that every process of a cluster has. */
export const commonFlags = {
  listen: (fallback: string): Option =>
    flag({
      name: 'listen',
      placeholder: 'HOST:PORT',
      description: 'address of the gRPC server; port 0 takes a free one',
      parser: hostPort,
      fallback,
    }),
  metricsListen: (fallback: string): Option =>
    flag({
      name: 'metrics-listen',
      placeholder: 'HOST:PORT|off',
      description: 'address of /metrics and /healthz',
      parser: hostPortOrOff,
      fallback,
    }),
  otlpEndpoint: (): Option =>
    flag({
      name: 'otlp-endpoint',
      placeholder: 'URL',
      description: 'traces go there, by OTLP over HTTP (such as http://127.0.0.1:4318; default: nothing is traced)',
      parser: httpUrl,
    }),
  logLevel: (): Option =>
    flag({ name: 'log-level', placeholder: 'LEVEL', description: `one of ${LOG_LEVELS.join(', ')}`, parser: logLevel, fallback: 'info' }),
};

/**
 * Runs a command line to its end and gives the exit status: 0, EXIT_FAILED for a run that failed, EXIT_USAGE for bad arguments. Either failure is one
 * sentence on stderr. Anything that is not an operating error is a bug and is thrown on.
 */
export async function runCommandLine(program: Command, argv: readonly string[]): Promise<number> {
  const every = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: () => {} });
    command.commands.forEach(every);
  };
  every(program);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return 0;
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      if (thrown.exitCode === 0) return 0;
      // Help that was asked for by giving no sub-command goes to stdout of nobody's pipe: say what is missing instead.
      const sentence =
        thrown.code === 'commander.help' ? 'Expected a command; --help lists them' : thrown.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
      process.stderr.write(`${sentence}\n`);
      return EXIT_USAGE;
    }
    if (!(thrown instanceof GolddiffError) || thrown.code === 'INTERNAL') throw thrown;
    process.stderr.write(`${thrown.message}\n`);
    return thrown.code === 'ARGUMENT_INVALID' ? EXIT_USAGE : EXIT_FAILED;
  }
}
