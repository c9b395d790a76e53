/** Figures of a running process, read from its /metrics as Prometheus reads them. */

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export class ScrapedMetrics {
  private constructor(private readonly samples: readonly Sample[]) {}

  /** @param address host:port */
  static async from(address: string): Promise<ScrapedMetrics> {
    const response = await fetch(`http://${address}/metrics`);
    if (!response.ok) throw new Error(`/metrics of ${address} answered ${response.status}`);
    return ScrapedMetrics.parse(await response.text());
  }

  static parse(text: string): ScrapedMetrics {
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new ScrapedMetrics(lines.map(sampleOf));
  }

  /** Sum over the samples of that name whose labels are as given; 0 where there is none, as for a counter that has not counted yet. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const wanted = Object.entries(labels);
    const found = this.samples.filter((sample) => sample.name === name && wanted.every(([label, value]) => sample.labels[label] === value));
    return found.reduce((sum, { value }) => sum + value, 0);
  }

  /** Sums by the values of one label. */
  by(name: string, label: string): Record<string, number> {
    const sums: Record<string, number> = {};
    for (const sample of this.samples) {
      const value = sample.labels[label];
      if (sample.name === name && value !== undefined) sums[value] = (sums[value] ?? 0) + sample.value;
    }
    return sums;
  }
}

function sampleOf(line: string): Sample {
  const parts = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
  if (parts === null) throw new Error(`not a line of metrics: ${line}`);
  const labels = [...(parts[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map((match) => [match[1]!, match[2]!] as const);
  return { name: parts[1]!, labels: Object.fromEntries(labels), value: Number(parts[3]) };
}
