import { Option } from 'commander';

import type { Parser } from '../../shared/config.js';

/** A flag of a command of the client, which is no variable. @param shown as commander writes it: `--count <N>`. @param fallback as the user would type it */
export function clientFlag<T>(shown: string, description: string, parser: Parser<T>, fallback?: string): Option {
  const name = shown.split(' ', 1)[0] ?? shown;
  const option = new Option(shown, description).argParser((value: string) => parser(value, name));
  return fallback === undefined ? option : option.default(parser(fallback, name), fallback);
}
