import { SingleBar } from 'cli-progress';

/** A bar on stderr where that is a terminal; silence otherwise. */
export interface Progress {
  /** @param note what stands behind the bar, such as `t = 300` */
  update(done: number, note?: string): void;
  setTotal(total: number): void;
  /** Leaves the bar as it is and ends its line. May be called again. */
  stop(): void;
}

/** The terminal is a parameter for the test alone. */
export function startProgress(label: string, total: number, unit: string, terminal: NodeJS.WriteStream = process.stderr): Progress {
  if (!terminal.isTTY) return { update: () => {}, setTotal: () => {}, stop: () => {} };
  const bar = new SingleBar({
    stream: terminal,
    format: `${label} {bar} {value}/{total} ${unit} | {duration_formatted} | {note}`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 30,
    hideCursor: true,
    clearOnComplete: false,
  });
  bar.start(total, 0, { note: '' });
  return {
    update: (done, note) => bar.update(done, note === undefined ? {} : { note }),
    setTotal: (wanted) => bar.setTotal(wanted),
    stop: () => bar.stop(),
  };
}
