/** What `helm install` prints: NOTES.txt, rendered by Helm's own engine without a cluster to install into. */

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import { chartFolder, helm } from './render.js';

export async function renderedNotes(valuesFile: string, namespace: string): Promise<string> {
  const folder = mkdtempSync(path.join(tmpdir(), 'golddiff-notes-'));
  try {
    const chart = path.join(folder, 'golddiff');
    cpSync(chartFolder, chart, { recursive: true, filter: (from) => path.basename(from) !== 'files' });
    const notes = readFileSync(path.join(chartFolder, 'templates/NOTES.txt'), 'utf8');
    // helm template leaves NOTES.txt out: as a definition in a template it is shown.
    writeFileSync(
      path.join(chart, 'templates/notes.yaml'),
      `{{- define "played.notes" -}}\n${notes}\n{{- end -}}\nnotes: {{ include "played.notes" . | toJson }}\n`,
    );
    const { stdout } = await helm('template', 'golddiff', chart, '--namespace', namespace, '-f', valuesFile, '--show-only', 'templates/notes.yaml');
    return (parse(stdout) as { notes: string }).notes;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Commands of a text: lines that stand by themselves, four spaces in. */
export function commandsIn(notes: string): string[] {
  return notes
    .split('\n')
    .filter((line) => /^ {4}\S/.test(line))
    .map((line) => line.trim());
}

/** Commands of the fenced blocks of a language, and the blocks themselves. */
export function fencedBlocks(markdown: string, language: string): string[] {
  return [...markdown.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(([, block]) => block!);
}
