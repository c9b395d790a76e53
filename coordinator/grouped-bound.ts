/**
 * What a golden subset may leave out where weights belong to groups, proven. Pure, in double.
 *
 * Rows are chosen by the distance of all values and weighed by that of a group's voters, so the subset says nothing about how near the rows outside are in
 * a group: on MNIST at t = 0 most of a group's mass lies outside, because thousands of rows agree with the query in its few voters. They hardly differ in
 * the answer, though, and that can be proven. Where value p votes for its own group, row i has there, with q = x_p / alpha and w = sigma sqrt(T) / alpha,
 *     weight <= exp(-(y_ip - q)^2 / (2 w^2)),
 * so that a row whose y_ip lies far from q weighs next to nothing, and one that lies near moves x0hat_p by no more than its distance. With A the number of
 * rows outside over the mass inside, for every radius r
 *     |x0hat_p - exact| <= A / (1 + A) min(far, r + |x0hat_p - q|) + A exp(-r^2 / (2 w^2)) far,      far = the way from x0hat_p to the end of the range.
 * Masks and patches only widen d, and labels only take rows away. SCIENCE section 5 has the rest.
 */

/** Terms that stand for the rows beyond the radius, as shares of the range: the least bound of these radii is taken. */
const FAR_SHARES = [1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-9];

export interface BoundedValue {
  /** rows outside over the mass inside, relative to a weight of 1, as a logarithm; Infinity where it is beyond doubles, -Infinity = no row is outside */
  readonly logOutside: number;
  /** x0hat_p */
  readonly mean: number;
  /** x_p / alpha */
  readonly centre: number;
  /** sigma sqrt(T) / alpha > 0 */
  readonly width: number;
  /** the value votes for its own group */
  readonly votes: boolean;
}

/** Values of every row, where they are known to lie in a range. */
export interface ValueRange {
  readonly low: number;
  readonly high: number;
}

/**
 * Bound on |x0hat_p - exact| as a share of the range, in [0, 1]. Without a range: on the mass left out, which on rows of any size is all that can be said.
 * Rounding of the arguments goes through as it is. Cost: some ten exp.
 */
export function leftOut(value: BoundedValue, range: ValueRange | undefined): number {
  const { logOutside, mean, centre, width, votes } = value;
  if (range === undefined) return share(logOutside);
  const far = Math.max(range.high - mean, mean - range.low, 0);
  const extent = range.high - range.low;
  if (!votes) return Math.min(1, (share(logOutside) * far) / extent);
  // Every row's value lies in the range, and may be nowhere near the query's.
  const gap = Math.max(0, range.low - centre, centre - range.high);
  const tau = share(logOutside - gap ** 2 / (2 * width ** 2));
  let least = tau * far;
  for (const beyond of FAR_SHARES) {
    const radius = width * Math.sqrt(2 * Math.max(0, logOutside - Math.log(beyond)));
    least = Math.min(least, tau * (radius + Math.abs(mean - centre)) + beyond * far);
  }
  return Math.min(1, least / extent);
}

/** A / (1 + A) of log A. */
export function share(logOutside: number): number {
  return 1 / (1 + Math.exp(-logOutside));
}
