/** Does the engine leave nobody standing still who lives on after an attempt? */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it, onTestFinished } from 'vitest';
import { openLocalEngine } from '../../lib/act/local-engine.ts';
import { waitFor } from '../support/scripts.ts';

it('lets a worker of the pool go on that was halted just as it gave its answer', async () => {
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  const pid = child.pid ?? 0;
  const state = (): string =>
    readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .slice(0, 1);
  let answer: (() => void) | undefined;
  const onEnd = (tell: (code: number, signal: undefined) => void): void =>
    void (answer = () => tell(0, undefined));
  const engine = openLocalEngine(
    () => Infinity,
    undefined,
    () => ({ pid, tag: 'pooled', onEnd, giveBack: () => true }),
  );
  onTestFinished(() => engine.close());
  const spec = { key: 'e/0/A', attempt: 1, tag: 'own', command: ['sleep'], cwd: '/', env: {}, estimateBytes: 0, limitBytes: undefined, heapMb: undefined, stdoutPath: '', stderrPath: '' }; // prettier-ignore
  engine.submit(spec, Date.now());
  engine.poll(Date.now());

  engine.suspend('e/0/A', true);
  await waitFor(() => state() === 'T', 'its halt');
  answer?.();
  await waitFor(() => state() === 'S', 'its going on');
  expect(engine.poll(Date.now())[0]?.end?.exitCode).toBe(0);

  // Given back, it has its next attempt before the first one is forgotten: that one is watched.
  engine.submit({ ...spec, key: 'e/0/B' }, Date.now());
  expect(engine.settle('e/0/A', 0, Date.now()).settled).toBe(true);
  expect(engine.poll(Date.now() + 1)[0]?.processes).toBe(1);
  expect(engine.survey('e/0/B').map((process) => process.pid)).toEqual([pid]);
});
