/** The denoiser of patches from all locations by plain loops in double, written apart from the program: every pair of locations, every value of the two patches. */

import { dimOf, rowCount, type PlainQuery, type PlainRows } from './brute-force.js';
import type { GroupedAnswer } from './grouped-oracle.js';

export function equivariantOracle(rows: PlainRows, query: PlainQuery, side: number, given?: readonly number[]): GroupedAnswer {
  const [C, H, W] = rows.shape;
  const D = dimOf(rows);
  const G = H * W;
  const reach = (side - 1) / 2;
  const label = query.label ?? -1;
  const ids = given ?? Array.from({ length: rowCount(rows) }, (_, i) => i).filter((i) => label < 0 || rows.labels[i] === label);
  const inside = (i: number, j: number): boolean => i >= 0 && i < H && j >= 0 && j < W;
  const valueOf = (id: number, c: number, i: number, j: number): number => rows.pixels[id * D + (c * H + i) * W + j]! / 127.5 - 1;
  const answer: GroupedAnswer = {
    x0hat: new Float64Array(D),
    logZ: new Float64Array(G),
    effectiveSupport: new Float64Array(G),
    maxWeight: new Float64Array(G),
  };
  for (let g = 0; g < G; g++) {
    const [gi, gj] = [Math.floor(g / W), g % W];
    const patches = ids.flatMap((id) =>
      Array.from({ length: G }, (_, h) => {
        const [hi, hj] = [Math.floor(h / W), h % W];
        let distance = 0;
        for (let c = 0; c < C; c++)
          for (let di = -reach; di <= reach; di++)
            for (let dj = -reach; dj <= reach; dj++) {
              const x = inside(gi + di, gj + dj) ? query.x[(c * H + gi + di) * W + gj + dj]! : 0;
              const y = inside(hi + di, hj + dj) ? valueOf(id, c, hi + di, hj + dj) : 0;
              distance += (x - query.alpha * y) ** 2;
            }
        return { id, hi, hj, logit: -distance / (2 * query.sigma ** 2 * (query.temperature ?? 1)) };
      }),
    );
    const m = patches.reduce((most, { logit }) => Math.max(most, logit), -Infinity);
    const weights = patches.map(({ logit }) => Math.exp(logit - m));
    const mass = weights.reduce((a, w) => a + w, 0);
    answer.logZ[g] = m + Math.log(mass);
    answer.effectiveSupport[g] = mass ** 2 / weights.reduce((a, w) => a + w * w, 0);
    answer.maxWeight[g] = 1 / mass;
    for (let c = 0; c < C; c++)
      answer.x0hat[c * G + g] = patches.reduce((sum, { id, hi, hj }, k) => sum + weights[k]! * valueOf(id, c, hi, hj), 0) / mass;
  }
  return answer;
}
