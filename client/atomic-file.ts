import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { expectation, GolddiffError } from '../shared/errors.js';

/** Replaces a file as a whole, making its folder: a reader sees the old bytes or the new ones, never a part. Throws FILE_INVALID where it cannot. */
export async function writeFileAtomically(file: string, content: string | Uint8Array): Promise<void> {
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}.partial`);
  await makeFolder(path.dirname(file));
  try {
    await writeFile(temporary, content);
    await rename(temporary, file);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw cannotWrite(file, cause);
  }
}

/** A folder and those above it. Throws FILE_INVALID where it cannot be made. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw cannotWrite(folder, cause);
  }
}

function cannotWrite(file: string, cause: unknown): GolddiffError {
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  return new GolddiffError('FILE_INVALID', expectation(file, 'a path that can be written', code), { file }, { cause });
}
