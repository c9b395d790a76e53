/** Waits for a condition, and gives the milliseconds that it took. */
export async function until(condition: () => boolean | Promise<boolean>, what: string, withinMs = 15_000): Promise<number> {
  const start = performance.now();
  while (!(await condition())) {
    if (performance.now() - start > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return performance.now() - start;
}
