/**
 * Keeps a thread from being terminated while it is in native code: Node's addons end the process where JavaScript is taken from under them. The owner asks
 * before it terminates; the thread tells when it goes in and ends by itself where it was asked to stop meanwhile. Both write their word before they read the
 * other's, so that one of them always sees it.
 */

const STOP = 0;
const INSIDE = 1;

export class NativeSection {
  /** [2] on shared memory: whether the thread is to end; whether it is in native code. Inside at first, since it begins by loading the addon. */
  readonly shared: Int32Array;

  /** @param shared of the owner's section; without it a new one is made */
  constructor(shared?: Int32Array) {
    this.shared = shared ?? new Int32Array(new SharedArrayBuffer(8));
    if (shared === undefined) this.shared[INSIDE] = 1;
  }

  /** [1] not 0 once the thread is to end: what a native call polls */
  get stop(): Int32Array {
    return this.shared.subarray(STOP, STOP + 1);
  }

  /** Of the owner. True: the thread ends by itself, soon; false: it is not in native code and will not go in, and may be terminated. */
  endsByItself(): boolean {
    Atomics.store(this.shared, STOP, 1);
    return Atomics.load(this.shared, INSIDE) === 1;
  }

  /** Of the thread. @param end ends it; called where it is to end, before or after `call` */
  run<T>(call: () => T, end: () => never): T {
    Atomics.store(this.shared, INSIDE, 1);
    if (Atomics.load(this.shared, STOP) === 1) end();
    try {
      return call();
    } finally {
      Atomics.store(this.shared, INSIDE, 0);
      if (Atomics.load(this.shared, STOP) === 1) end();
    }
  }
}
