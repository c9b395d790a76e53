// Writes the table of values in helm/golddiff/README.md from the comments of values.yaml. With --check it writes nothing, and ends with 1 where the table is not what it would be.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMap, isScalar, parseDocument } from 'yaml';

const chart = path.join(path.dirname(path.dirname(fileURLToPath(import.meta.url))), 'helm/golddiff');
const BEGIN = '<!-- values: npm run chart:readme -->';
const END = '<!-- end of values -->';

/** [key, default, explanation] of every value; a group with an explanation of its own is one row. */
export function valueRows(text) {
  const rows = [];
  const walk = (map, prefix, before) => {
    map.items.forEach(({ key, value }, i) => {
      const name = prefix === '' ? key.value : `${prefix}.${key.value}`;
      const comment = explanation(key.commentBefore ?? (i === 0 ? before : undefined));
      const isGroup = isMap(value) && value.items.length > 0 && !value.flow;
      if (comment !== undefined && isGroup && explanation(value.items[0].key.commentBefore ?? value.commentBefore) === undefined)
        rows.push([name, '', comment]);
      if (isGroup) walk(value, name, value.commentBefore);
      else rows.push([name, shown(value), comment ?? '']);
    });
  };
  const { contents } = parseDocument(text);
  walk(contents, '', contents.commentBefore);
  return rows;
}

function explanation(comment) {
  const found = comment?.split('\n').filter((line) => /^ -- /.test(line));
  return found === undefined || found.length === 0 ? undefined : found.map((line) => line.slice(4)).join(' ');
}

function shown(value) {
  const json = JSON.stringify(value === null ? null : isScalar(value) ? value.value : value.toJSON());
  return `\`${json === '""' ? '""' : json}\``;
}

export function readmeWith(readme, text) {
  const table = valueRows(text).map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`);
  const [head, rest] = readme.split(BEGIN);
  const tail = rest.split(END)[1];
  return `${head}${BEGIN}\n| value | default | |\n|---|---|---|\n${table.join('\n')}\n${END}${tail}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = path.join(chart, 'README.md');
  const before = readFileSync(file, 'utf8');
  const after = readmeWith(before, readFileSync(path.join(chart, 'values.yaml'), 'utf8'));
  if (!process.argv.includes('--check')) writeFileSync(file, after);
  else if (before !== after) {
    process.stderr.write('helm/golddiff/README.md is not what values.yaml says: npm run chart:readme\n');
    process.exitCode = 1;
  }
}
