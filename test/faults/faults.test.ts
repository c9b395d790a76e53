/** The fast part of `npm run test:faults`. */

import { test } from 'node:test';
import { FAULTS } from './all-faults.js';
import { figuresText } from './report.js';

for (const { name, skip, fast, run } of FAULTS) {
  if (!fast) continue;
  void test(`${name}: the same bytes or a declared error, and every row covered`, { skip: skip ?? false }, async (t) =>
    t.diagnostic(figuresText(await run())),
  );
}
