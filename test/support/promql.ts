/** Which series and labels an expression of PromQL names. Not a parser: promtool is one. */

export interface Matcher {
  readonly label: string;
  readonly operator: '=' | '!=' | '=~' | '!~';
  readonly value: string;
}

export interface Selector {
  readonly metric: string;
  readonly matchers: readonly Matcher[];
}

export interface NamedSeries {
  readonly selectors: readonly Selector[];
  /** of by, without, on, ignoring, group_left and group_right */
  readonly grouping: readonly string[];
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[a-zA-Z_:][\w:]*|\d[\w.]*|=~|!~|!=|==|<=|>=|[{}()[\],=<>+*/^%-]/g;
const NAME = /^[a-zA-Z_:]/;
const GROUPINGS = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right']);
const WORDS = new Set(['and', 'or', 'unless', 'bool', 'offset', 'inf', 'nan']);

export function seriesIn(expression: string): NamedSeries {
  const tokens: readonly string[] = expression.match(TOKEN) ?? [];
  const selectors: Selector[] = [];
  const grouping: string[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (token === '[') i = tokens.indexOf(']', i);
    else if (!NAME.test(token) || WORDS.has(token.toLowerCase())) continue;
    else if (GROUPINGS.has(token)) {
      if (tokens[i + 1] !== '(') continue;
      const end = tokens.indexOf(')', i);
      grouping.push(...tokens.slice(i + 2, end).filter((label) => label !== ','));
      i = end;
    } else if (tokens[i + 1] === '{') {
      const end = tokens.indexOf('}', i);
      selectors.push({ metric: token, matchers: matchersOf(tokens.slice(i + 2, end)) });
      i = end;
    } else if (tokens[i + 1] !== '(' && !GROUPINGS.has(tokens[i + 1] ?? '')) selectors.push({ metric: token, matchers: [] });
  }
  return { selectors, grouping };
}

function matchersOf(tokens: readonly string[]): Matcher[] {
  const matchers: Matcher[] = [];
  for (let i = 0; i < tokens.length; i += 4)
    matchers.push({ label: tokens[i]!, operator: tokens[i + 1]! as Matcher['operator'], value: JSON.parse(tokens[i + 2]!) as string });
  return matchers;
}
