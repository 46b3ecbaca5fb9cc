/** Is a run's agent that exits 0 believed by its own record rather than by that? */
import { expect, it } from 'vitest';
import { makeLab, readJobs, ROOMY } from '../support/scripts.ts';

it('a client that says it failed has failed, one that says it succeeded is done, and plain text counts by its exit code', async () => {
  const lab = makeLab();
  const result = (isError: boolean): string => JSON.stringify({ type: 'result', subtype: 'success', is_error: isError, result: 'Credit is too low', terminal_reason: 'completed' }); // prettier-ignore
  lab.write('bin/claude', `#!/bin/sh\ncase $2 in bad) echo '${result(true)}' ;; good) echo '${result(false)}' ;; *) echo 'all done' ;; esac\n`); // prettier-ignore
  const command = (prompt: string): string[] => [`${lab.project}/bin/claude`, '-p', prompt];
  const streams = ['bad', 'good', 'plain'].map((id) => ({ id, command: command(id), memory: '20MB' }));
  lab.write('streams.yaml', JSON.stringify(streams));
  const run = await lab.run('coordination-memory', ['shop', 'run', '--streams', 'streams.yaml', ...ROOMY]);
  expect([run.status, run.stderr]).toEqual([30, expect.any(String)]);
  const jobs = new Map(readJobs(lab, 'shop').map((job) => [job.key.split('/').at(-1), job]));
  expect([jobs.get('bad')?.outcome, jobs.get('good')?.outcome, jobs.get('plain')?.outcome]).toEqual(['failed', 'done', 'done']); // prettier-ignore
  expect(jobs.get('bad')?.reason).toBe('exit 0, but it says: Credit is too low');
});
