/**
 * Who uses a cache folder, and whether they live. Each process that has the cache open has a folder users/ID with a Unix socket on which it listens: the system
 * answers for it as long as it exists, stopped or busy, and refuses from the moment it is gone, however it ended. No process ids (another container has others of the
 * same number), no clocks, no lease that must run out first.
 *
 * Beside the socket lies an empty file for each cached file that the process uses.
 */

import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import path from 'node:path';
import { argumentError } from '../../errors.js';
import { CACHE_PROBE_MS } from '../../limits.js';

const USERS_FOLDER = 'users';
const SOCKET = 'alive';
const PIN_PREFIX = 'uses-';
/** A user that has no socket yet; taken for dead after this. */
const NEW_PREFIX = '.new-';
const NEW_KEPT_MS = 60_000;
/** Room in a socket's address on every system that has them. */
const SOCKET_PATH_CHARS_MAX = 100;

export class CacheUser {
  private constructor(
    readonly id: string,
    private readonly root: string,
    private readonly server: Server,
  ) {}

  /** @throws the system's errors; ARGUMENT_INVALID for a folder that cannot hold a socket */
  static async join(root: string): Promise<CacheUser> {
    const id = randomUUID();
    const users = path.join(root, USERS_FOLDER);
    const preparing = path.join(users, `${NEW_PREFIX}${id}`);
    await mkdir(preparing, { recursive: true });
    const server = createServer((socket) => socket.destroy());
    server.unref();
    try {
      await throughShortPath(preparing, SOCKET, (socketPath) => listening(server, socketPath));
      // With its socket in place from the first moment on that others see it.
      await rename(preparing, path.join(users, id));
    } catch (thrown) {
      server.close();
      await rm(preparing, { recursive: true, force: true });
      throw thrown;
    }
    return new CacheUser(id, root, server);
  }

  /** @param name of the cached file */
  async pin(name: string): Promise<void> {
    await writeFile(path.join(this.root, USERS_FOLDER, this.id, `${PIN_PREFIX}${name}`), '');
  }

  async unpin(name: string): Promise<void> {
    await rm(path.join(this.root, USERS_FOLDER, this.id, `${PIN_PREFIX}${name}`), { force: true });
  }

  async leave(): Promise<void> {
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
    await rm(path.join(this.root, USERS_FOLDER, this.id), { recursive: true, force: true });
  }
}

/** Whether the process that joined under this id exists. */
export async function isAlive(root: string, id: string): Promise<boolean> {
  return answers(path.join(root, USERS_FOLDER, id));
}

/** Live users with what they use; what dead ones left is taken away. To be called by one at a time. */
export async function liveUsers(root: string): Promise<Map<string, ReadonlySet<string>>> {
  const users = path.join(root, USERS_FOLDER);
  const live = new Map<string, ReadonlySet<string>>();
  await Promise.all(
    (await readdir(users)).map(async (id) => {
      const dir = path.join(users, id);
      if (id.startsWith(NEW_PREFIX)) {
        const found = await stat(dir).catch(() => undefined);
        if (found !== undefined && Date.now() - found.mtimeMs > NEW_KEPT_MS && !(await answers(dir))) await rm(dir, { recursive: true, force: true });
      } else if (await answers(dir)) {
        const names = await readdir(dir).catch(() => []);
        live.set(id, new Set(names.filter((name) => name.startsWith(PIN_PREFIX)).map((name) => name.slice(PIN_PREFIX.length))));
      } else {
        await rm(dir, { recursive: true, force: true });
      }
    }),
  );
  return live;
}

/** Only a refusal says that nobody is there: a full queue of connections is somebody's. */
async function answers(dir: string): Promise<boolean> {
  try {
    return await throughShortPath(dir, SOCKET, (socketPath) => {
      const socket = connect({ path: socketPath });
      return new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(true), CACHE_PROBE_MS);
        const tell = (alive: boolean): void => {
          clearTimeout(timer);
          resolve(alive);
        };
        socket.once('connect', () => tell(true)).once('error', (error) => tell(!isGone(error)));
      }).finally(() => socket.destroy());
    });
  } catch (thrown) {
    return !isGone(thrown);
  }
}

function isGone(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && ['ENOENT', 'ENOTDIR', 'ECONNREFUSED', 'ENOTSOCK', 'ECONNRESET'].includes(String(thrown.code));
}

function listening(server: Server, socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path: socketPath }, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}

/** A socket's address is short; a long folder is named by a descriptor of it, where the system can. */
async function throughShortPath<T>(dir: string, name: string, use: (socketPath: string) => Promise<T>): Promise<T> {
  const plain = path.join(dir, name);
  if (Buffer.byteLength(plain) <= SOCKET_PATH_CHARS_MAX) return use(plain);
  if (process.platform !== 'linux')
    throw argumentError('--data-cache', `a folder whose path is shorter than ${SOCKET_PATH_CHARS_MAX - 60} bytes`, dir);
  const handle = await open(dir, 'r');
  try {
    return await use(`/proc/self/fd/${handle.fd}/${name}`);
  } finally {
    await handle.close();
  }
}
