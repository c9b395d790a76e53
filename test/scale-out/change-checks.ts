import type { Check } from './checks.js';
import type { ChangeReport } from './changing-fleet.js';

/** What must hold while workers come and go: nothing is lost, nothing is done twice, no row is ever without a holder, and the bytes are those of an undisturbed run. */
export function changeChecks({ changes, jobs, moments, end }: ChangeReport): Check[] {
  const check = (name: string, held: boolean, detail: string): Check => ({ name, held, detail });
  const coverage = Math.min(...moments.map((m) => m.coverage));
  return [
    ...changes.flatMap((c) => {
      const name = `${c.from} to ${c.to} workers`;
      return [
        check(`${name}: jobs were under way, and went on`, c.jobs > 0 && c.evaluations > 0, `${c.jobs} jobs, ${c.evaluations} evaluations`),
        check(`${name}: there is a newer placement`, c.epochs > 0, `${c.epochs} epochs`),
      ];
    }),
    check('jobs ran', jobs.length >= changes.length, `${jobs.length} jobs`),
    check(
      'every job ended with the bytes of an undisturbed run',
      jobs.every((j) => j.state === 'succeeded' && j.equal),
      states(jobs),
    ),
    check(
      'every job was taken up once',
      end.deliveriesAgain === 0 && jobs.every((j) => j.deliveries === 1),
      `${end.deliveriesAgain} deliveries after the first`,
    ),
    check(
      'every coordinator tells of all jobs that succeeded, and of no dead letter',
      end.jobsSucceeded.every((n) => n === jobs.length) && end.deadLetters.every((n) => n === 0),
      `${end.jobsSucceeded.join(', ')} succeeded, ${end.deadLetters.join(', ')} dead letters`,
    ),
    check('every row had a holder at every look', coverage === 1, `coverage ${coverage} at least, ${moments.length} looks`),
    check('no call failed', end.callsFailed === 0, `${end.callsFailed} calls`),
    check('one coordinator leads', end.leaders === 1, `${end.leaders}`),
    check(
      'all coordinators and workers are at one epoch in the end',
      new Set(end.epochs).size === 1 && end.epochSkews.every((skew) => skew === 0),
      `epochs ${end.epochs.join(', ')}, skew ${end.epochSkews.join(', ')}`,
    ),
  ];
}

function states(jobs: ChangeReport['jobs']): string {
  const bad = jobs.filter((j) => j.state !== 'succeeded' || !j.equal);
  return bad.length === 0 ? `${jobs.length} jobs` : bad.map((j) => `${j.state}${j.equal ? '' : ', other bytes'}`).join('; ');
}
