/** Timed repetitions of one step, after untimed ones. */

export const WARM_UP_STEPS = 2;

/** Runs step until `repeats` times or the budget in milliseconds are reached, at least once. What it returns of each timed run. */
export async function repeated<T>(
  step: () => Promise<T>,
  { repeats, budgetMs }: { repeats: number; budgetMs: number },
  warmUp = WARM_UP_STEPS,
  now: () => number = () => performance.now(),
): Promise<{ times: number[]; values: T[] }> {
  for (let i = 0; i < warmUp; i++) await step();
  const times: number[] = [];
  const values: T[] = [];
  let spentMs = 0;
  while (times.length < Math.max(1, repeats) && (times.length === 0 || spentMs < budgetMs)) {
    const started = now();
    values.push(await step());
    const tookMs = now() - started;
    times.push(tookMs);
    spentMs += tookMs;
  }
  return { times, values };
}
