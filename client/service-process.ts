/**
 * One service as a child process: started, waited for until it says that it is ready, watched, stopped. It runs in a process group of its own, so
 * that Ctrl-C reaches only the parent, which stops it in order; should the parent die, the child sees its IPC channel break and ends by itself.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

import { GolddiffError, isErrorCode, type ErrorCode } from '../shared/errors.js';
import { EXIT_USAGE } from '../shared/config.js';
import { CHILD_LOG_LINES_KEPT } from '../shared/limits.js';
import { isLifecycleMessage } from '../shared/process-lifecycle.js';
import { SERVICE_NODE_FLAGS } from './service-node-flags.js';

export interface ServiceProcessSettings {
  /** for messages: `shard worker 2` */
  readonly name: string;
  /** path of the program's main.js */
  readonly program: string;
  readonly args: readonly string[];
  /** default: that of this process */
  readonly env?: NodeJS.ProcessEnv;
  /** a command that becomes the program which it is given, such as `ip netns exec NAME`; absent = Node itself is started */
  readonly launcher?: readonly [string, ...string[]];
  readonly readyTimeoutMs: number;
  /** gets every line of the child's log; default: the last lines are kept for the report of a death */
  readonly onLogLine?: (line: string) => void;
  /** ends the start */
  readonly signal?: AbortSignal;
}

const alive = new Set<ChildProcess>();
// The last resort where the parent ends by exit() with children still up; they would also end by themselves, a little later.
process.on('exit', () => alive.forEach((child) => child.kill('SIGKILL')));

export class ServiceProcess {
  readonly name: string;
  readonly pid: number;
  /** Resolves when the process is gone, with a sentence that says how and with its last log lines. */
  readonly exited: Promise<string>;
  #address = '';
  #metricsAddress: string | undefined;
  #exitStatus: number | null = null;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];

  /** Resolves when the service is ready. Errors: the service's own where it says why it cannot start; ARGUMENT_INVALID where it refuses its flags; INTERNAL where it dies or hangs. */
  static async start(settings: ServiceProcessSettings): Promise<ServiceProcess> {
    const service = new ServiceProcess(settings);
    try {
      await service.#ready(settings);
      return service;
    } catch (error) {
      await service.kill();
      throw error;
    }
  }

  private constructor(settings: ServiceProcessSettings) {
    this.name = settings.name;
    const node = [process.execPath, ...SERVICE_NODE_FLAGS, settings.program, ...settings.args] as const;
    const [command, ...args] = settings.launcher === undefined ? node : ([...settings.launcher, ...node] as const);
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
      ...(settings.env === undefined ? {} : { env: settings.env }),
    });
    this.#child = child;
    this.pid = child.pid ?? -1;
    alive.add(child);
    for (const stream of [child.stdout, child.stderr]) this.#keepLines(stream, settings.onLogLine);
    this.exited = new Promise((resolve) => {
      const gone = (how: string): void => {
        alive.delete(child);
        resolve(`The ${this.name} ended ${how}${this.lastLines()}`);
      };
      child.on('error', (error) => gone(`before it started: ${error.message}`));
      // 'close' and not 'exit': the last lines of its log have been read by then.
      child.on('close', (code, signal) => {
        this.#exitStatus = code;
        gone(signal === null ? `with status ${code}` : `by signal ${signal}`);
      });
    });
  }

  /** host:port of its gRPC server. */
  get address(): string {
    return this.#address;
  }

  get metricsAddress(): string | undefined {
    return this.#metricsAddress;
  }

  get running(): boolean {
    return alive.has(this.#child);
  }

  /** Asks it to drain, and kills it if it is still there after the bound. Resolves when it is gone; true = it ended in order. */
  async stop(boundMs: number): Promise<boolean> {
    if (!this.running) return true;
    this.#child.kill('SIGTERM');
    let timer: NodeJS.Timeout | undefined;
    const expired = new Promise<false>((resolve) => (timer = setTimeout(() => resolve(false), boundMs)));
    const ended = await Promise.race([this.exited.then(() => true), expired]);
    clearTimeout(timer);
    if (!ended) await this.kill();
    return ended;
  }

  async kill(): Promise<void> {
    if (this.running) this.#child.kill('SIGKILL');
    await this.exited;
  }

  /** What its log said last, for the end of a sentence. */
  lastLines(): string {
    return this.#lines.length === 0 ? '' : `; its last log lines: ${this.#lines.map(readableLine).join(' | ')}`;
  }

  #keepLines(stream: Readable | null, onLogLine: ((line: string) => void) | undefined): void {
    if (stream === null) return;
    createInterface({ input: stream }).on('line', (line) => {
      if (line.trim() === '') return;
      onLogLine?.(line);
      this.#lines.push(line);
      if (this.#lines.length > CHILD_LOG_LINES_KEPT) this.#lines.shift();
    });
  }

  async #ready({ readyTimeoutMs, signal }: ServiceProcessSettings): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const stopped = new AbortController();
    try {
      await new Promise<void>((resolve, reject) => {
        this.#child.on('message', (message) => {
          if (!isLifecycleMessage(message)) return;
          if (message.kind === 'ready') {
            this.#address = message.address;
            this.#metricsAddress = message.metricsAddress;
            resolve();
          } else reject(startFailure(this.name, message.code, message.message));
        });
        void this.exited.then((sentence) => reject(new GolddiffError(this.#exitStatus === EXIT_USAGE ? 'ARGUMENT_INVALID' : 'INTERNAL', sentence)));
        timer = setTimeout(
          () =>
            reject(
              new GolddiffError('INTERNAL', `Expected the ${this.name} to be ready within ${readyTimeoutMs} ms but it is not${this.lastLines()}`),
            ),
          readyTimeoutMs,
        );
        const interrupted = (): void => reject(new GolddiffError('CANCELLED', 'The start was interrupted'));
        if (signal?.aborted) interrupted();
        signal?.addEventListener('abort', interrupted, { signal: stopped.signal });
      });
    } finally {
      clearTimeout(timer);
      stopped.abort();
    }
  }
}

function startFailure(name: string, code: string, message: string): GolddiffError {
  const known: ErrorCode = isErrorCode(code) ? code : 'INTERNAL';
  return new GolddiffError(known, `The ${name} did not start: ${message}`);
}

/** Message of a JSON log line; another line as it is. */
export function readableLine(line: string): string {
  try {
    const entry: unknown = JSON.parse(line);
    if (typeof entry === 'object' && entry !== null && 'msg' in entry) return String(entry.msg);
  } catch {
    // Not every line is JSON: Node itself writes warnings and stack traces.
  }
  return line.trim();
}
