/**
 * One contestant as a process: a request is a line, its answer a line of JSON. Each contestant has a process of its own, so that none keeps the
 * threads, the heap or the collector of another busy.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

import { GolddiffError } from '../../../shared/errors.js';

export interface LineProcessSettings {
  /** for messages and tables */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const alive = new Set<ChildProcess>();
process.on('exit', () => alive.forEach((child) => child.kill('SIGKILL')));

const STDERR_CHARS_KEPT = 2_000;
/** A process that was asked to end by closing its input. */
const STOP_TIMEOUT_MS = 3_000;

interface Waiting {
  readonly resolve: (line: string) => void;
  readonly reject: (error: Error) => void;
}

export class LineProcess {
  #name: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  #waiting: Waiting | undefined;
  #stderr = '';
  #gone: string | undefined;

  constructor({ name, command, args, env }: LineProcessSettings) {
    this.#name = name;
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    this.#child = child;
    alive.add(child);
    child.stdin.on('error', () => {});
    child.stderr.on('data', (bytes: Buffer) => (this.#stderr = (this.#stderr + bytes.toString()).slice(-STDERR_CHARS_KEPT)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#waiting?.resolve(line);
      this.#waiting = undefined;
    });
    this.#exited = new Promise((resolve) => {
      const end = (how: string): void => {
        alive.delete(child);
        this.#gone = `${name} ended ${how}${this.#stderr === '' ? '' : `: ${this.#stderr.trim().split('\n').at(-1)}`}`;
        this.#waiting?.reject(new GolddiffError('INTERNAL', this.#gone));
        this.#waiting = undefined;
        resolve();
      };
      child.on('error', (error) => end(`before it started (${error.message})`));
      child.on('close', (code, signal) => end(signal === null ? `with status ${code}` : `by signal ${signal}`));
    });
  }

  get name(): string {
    return this.#name;
  }

  /** Under the name that it gave itself. */
  named(name: string): this {
    this.#name = name;
    return this;
  }

  /** One request at a time. Errors: INTERNAL where the process is gone or says that it failed. */
  async request<T extends object>(request: object | string): Promise<T> {
    if (this.#gone !== undefined) throw new GolddiffError('INTERNAL', this.#gone);
    const line = await new Promise<string>((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#child.stdin?.write(`${typeof request === 'string' ? request : JSON.stringify(request)}\n`);
    });
    return parseReply<T>(this.name, line);
  }

  async stop(): Promise<void> {
    this.#child.stdin?.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await this.#exited;
    clearTimeout(timer);
  }
}

/** Errors: INTERNAL for a line that is no reply or tells a failure. */
export function parseReply<T extends object>(name: string, line: string): T {
  let reply: unknown;
  try {
    reply = JSON.parse(line);
  } catch {
    throw new GolddiffError('INTERNAL', `Expected a line of JSON from ${name} but received ${line.slice(0, 200)}`);
  }
  if (typeof reply !== 'object' || reply === null || !('ok' in reply))
    throw new GolddiffError('INTERNAL', `Expected a reply from ${name} but received ${line}`);
  if (reply.ok !== true) throw new GolddiffError('INTERNAL', `${name} failed: ${'message' in reply ? String(reply.message) : line}`);
  return reply as T;
}
