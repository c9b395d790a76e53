import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of the package: the nearest one above this file that holds package.json and proto/. Built code lives below it in dist/. */
export const packageRoot: string = findRoot(path.dirname(fileURLToPath(import.meta.url)));

function findRoot(from: string): string {
  for (let dir = from; ; dir = path.dirname(dir)) {
    if (existsSync(path.join(dir, 'package.json')) && existsSync(path.join(dir, 'proto', 'golddiff'))) return dir;
    if (dir === path.dirname(dir)) throw new Error(`Expected a folder with package.json and proto/golddiff above ${from}`);
  }
}
