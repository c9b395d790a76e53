import { readFileSync } from 'node:fs';
import path from 'node:path';

import { packageRoot } from '../shared/package-root.js';

/** Of this package, from its package.json. */
export const golddiffVersion: string = (JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8')) as { version: string }).version;

export function versions(): { golddiff: string; node: string; platform: string } {
  return { golddiff: golddiffVersion, node: process.version, platform: `${process.platform} ${process.arch}` };
}
