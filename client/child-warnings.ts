import { readableLine } from './service-process.js';

/** Levels as shared/log.ts writes them. */
const TOLD = new Set(['warn', 'error', 'fatal']);

/**
 * A listener for the log lines of child processes that tells each warning once, however many of them say it: a backend that is missing, a partition that is not
 * served. Lines below a warning, and lines that are not JSON, are left to the report of a death.
 */
export function childWarnings(tell: (sentence: string) => void): (line: string) => void {
  const told = new Set<string>();
  return (line) => {
    const entry = parsed(line);
    if (entry === undefined || !TOLD.has(String(entry['level']))) return;
    const reason = typeof entry['reason'] === 'string' ? `: ${entry['reason']}` : '';
    const sentence = `${readableLine(line)}${reason}`;
    if (told.has(sentence)) return;
    told.add(sentence);
    tell(sentence);
  };
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const entry: unknown = JSON.parse(line);
    return typeof entry === 'object' && entry !== null ? (entry as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
