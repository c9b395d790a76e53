/** A compute thread seen from outside: requests go to it as messages, answers come back as promises. */

import { Worker } from 'node:worker_threads';
import { GolddiffError } from '../../../shared/errors.js';
import type { MomentSums } from '../../../shared/math/moment-sums.js';
import type { PartitionRows } from '../backend.js';
import type { DeviceState, FromThread, StepOperation, StepResult, TaskResult, ThreadSettings, ToThread } from './compute-messages.js';

export class ComputeThread {
  residentBytes = 0;
  readonly #worker: Worker;
  readonly #tasks = new Map<number, { resolve: (result: TaskResult) => void; reject: (error: GolddiffError) => void }>();
  #next = 0;
  #ended: GolddiffError | undefined;

  /** @param entry the program of the thread */
  constructor(entry: URL, settings: ThreadSettings, onProxies: (key: string, bytes: number) => void) {
    this.#worker = new Worker(entry, { workerData: settings });
    this.#worker.on('message', (message: FromThread) => {
      if (message.kind === 'proxies') return onProxies(message.key, message.bytes);
      const task = this.#tasks.get(message.task);
      this.#tasks.delete(message.task);
      if (message.kind === 'result') task?.resolve(message.result);
      else task?.reject(new GolddiffError(message.failure.code, message.failure.message, message.failure.data));
    });
    this.#worker.on('error', (cause) => this.#end(new GolddiffError('INTERNAL', `A compute thread ended: ${cause.message}`, {}, { cause })));
    this.#worker.on('exit', () => this.#end(new GolddiffError('CANCELLED', 'The backend was closed')));
  }

  post(message: ToThread): void {
    if (!this.#ended) this.#worker.postMessage(message);
  }

  /** The thread answers a task with its own kind of result. */
  run(step: number, key: string, operation: StepOperation): Promise<StepResult> {
    return this.#ask((task) => ({ kind: 'task', task, step, key, operation })) as Promise<StepResult>;
  }

  moments(key: string, label: number): Promise<MomentSums> {
    return this.#ask((task) => ({ kind: 'moments', task, key, label })) as Promise<MomentSums>;
  }

  async load(key: string, partition: PartitionRows): Promise<void> {
    await this.#ask((task) => ({ kind: 'load', task, key, partition }));
  }

  /** Of a thread that owns a device: once it has it, or why it does not. */
  device(): Promise<DeviceState> {
    return this.#ask((task) => ({ kind: 'device', task })) as Promise<DeviceState>;
  }

  #ask(message: (task: number) => ToThread): Promise<TaskResult> {
    if (this.#ended) return Promise.reject(this.#ended);
    const task = ++this.#next;
    return new Promise((resolve, reject) => {
      this.#tasks.set(task, { resolve, reject });
      this.post(message(task));
    });
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }

  #end(error: GolddiffError): void {
    this.#ended ??= error;
    for (const task of this.#tasks.values()) task.reject(this.#ended);
    this.#tasks.clear();
  }
}
