/** Do handlers of memory pressure end in time with all that they started, none in the way of the others, and measured? */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { commandHandler } from '../../lib/act/command-handler.ts';
import { END_MS, runHandlers, type Handler } from '../../lib/act/handlers.ts';
import { MIB } from '../../lib/units.ts';
import { isRunning, processesWith, tempDir, waitFor } from '../support/scripts.ts';

const never = new AbortController().signal;
const figure = (): number => 1;
const command = (name: string, line: string, timeoutMs = 20_000, env: NodeJS.ProcessEnv = {}): Handler =>
  commandHandler({
    name,
    words: ['sh', '-c', line],
    timeoutMs,
    cwd: tempDir(),
    env: { PATH: process.env['PATH'], ...env },
  });
const own = (name: string, run: Handler['run'], timeoutMs = 1000): Handler => ({
  name,
  timeoutMs,
  endsProcesses: false,
  run,
});
const done = (detail: string) => Promise.resolve({ isDone: true, detail }); // prettier-ignore

/** What a process holds now; 0 when it is gone. */
function residentBytes(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096;
  } catch {
    return 0;
  }
}

describe('runHandlers', () => {
  it('runs all in order, though one fails, one throws and one is missing', async () => {
    const results = await runHandlers(
      [
        command('fails', 'echo no luck >&2; exit 3'),
        own('throws', () => Promise.reject(new Error('broken'))),
        commandHandler({ name: 'missing', words: ['/no/such/program'], timeoutMs: 1000, cwd: tempDir(), env: {} }),
        command('killed', 'kill -9 $$'),
        command('works', 'echo all well'),
      ],
      figure,
      never,
    );
    expect(results.map(({ name, status, detail }) => [name, status, detail])).toEqual([
      ['fails', 'failed', 'exit 3: no luck'],
      ['throws', 'failed', 'broken'],
      ['missing', 'failed', '/no/such/program was not found'],
      ['killed', 'failed', 'ended by SIGKILL'],
      ['works', 'done', 'exit 0: all well'],
    ]);
  }); // prettier-ignore

  it('fault 16: freed megabytes are measured, not constants: each figure is what the machine had then', async () => {
    let available = 900 * MIB;
    const change = (mb: number) => () => { available += mb * MIB; return done('freed 512MB'); };
    const results = await runHandlers([own('a', change(200)), own('b', change(-50))], () => available, never);
    expect(results.map(({ beforeBytes, afterBytes }) => [beforeBytes / MIB, afterBytes / MIB])).toEqual([[900, 1100], [1100, 1050]]);
  }); // prettier-ignore

  it('waits until what a handler has freed is back, not longer than it grows', async () => {
    let reads = 0;
    const growing = (): number => Math.min(++reads, 10) * 100 * MIB;
    const [result] = await runHandlers([{ ...own('kills', () => done('')), endsProcesses: true }], growing, never);
    expect([result?.beforeBytes, result?.afterBytes]).toEqual([100 * MIB, 1000 * MIB]);
    expect(reads).toBe(11);
  }); // prettier-ignore

  // What others take and give back at the same moment is in the figures too.
  it('measures before and after: a handler that ends a hog of 600 MB shows it, an idle one does not', async () => {
    const hog = spawn(process.execPath, ['-e', 'globalThis.b = Buffer.alloc(600 * 2 ** 20, 1); console.log("up"); setInterval(() => {}, 1e6)']);
    onTestFinished(() => void hog.kill('SIGKILL'));
    let said = '';
    hog.stdout.on('data', (chunk: Buffer) => void (said += chunk.toString()));
    await waitFor(() => said.includes('up'), 'the hog');
    const handlers = [command('idle', 'true'), command('end', `kill -9 ${hog.pid}`)];
    // The hog's own memory stands for the machine's: on a machine that others use, too, its figure proves nothing.
    const available = (): number => 4096 * MIB - residentBytes(hog.pid ?? 0);
    const [idle, end] = await runHandlers(handlers, available, never);
    const change = (result: typeof end): number => ((result?.afterBytes ?? 0) - (result?.beforeBytes ?? 0)) / MIB;
    expect(change(end)).toBeGreaterThan(600);
    expect(change(idle)).toBe(0);
  }); // prettier-ignore

  it('ends one that hangs, with a child that ignores TERM and one in a session of its own, and goes on', async () => {
    const mark = `${Math.random()}`;
    const line = `echo began; trap "" TERM; (trap "" TERM; sleep 1000) & setsid sh -c 'trap "" TERM; sleep 1000' & wait`;
    const [hung, next] = await runHandlers([command('hangs', line, 700, { MARK: mark }), command('next', 'true')], figure, never);
    expect(hung).toMatchObject({ status: 'timeout', detail: expect.stringMatching(/^not done after 0\.7 s; ended [3-9] processes: began$/) as string });
    expect(next).toMatchObject({ status: 'done' });
    expect(processesWith(`MARK=${mark}`)).toEqual([]);
  }); // prettier-ignore

  it('does not wait for ever for one of ours that never ends', async () => {
    const never1 = own('stuck', () => new Promise(() => undefined), 50);
    const [stuck, next] = await runHandlers([never1, own('next', () => done('well'))], figure, never);
    expect(stuck).toMatchObject({ status: 'timeout', detail: 'not done after 0.05 s; did not end' });
    expect(stuck?.tookMs).toBeGreaterThanOrEqual(END_MS);
    expect(next).toMatchObject({ status: 'done', detail: 'well' });
  });

  it('leaves out the rest when it is told to stop, and ends the one that runs', async () => {
    const stop = new AbortController();
    const pidFile = join(tempDir(), 'pid');
    const running = runHandlers([command('long', `echo $$ > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; sleep 1000`), command('rest', 'true')], figure, stop.signal);
    const pid = (): number => Number(readFileSync(pidFile, 'utf8'));
    await waitFor(() => { try { return pid() > 0; } catch { return false; } }, 'the handler');
    stop.abort();
    expect((await running).map(({ name, status }) => [name, status])).toEqual([['long', 'stopped']]);
    expect(isRunning(pid())).toBe(false);
  }); // prettier-ignore

  it('is not held up by a child that keeps the output open after a handler has ended', async () => {
    const mark = `${Math.random()}`;
    const [result] = await runHandlers([command('leaves', 'sleep 1000 & echo left', 20_000, { MARK: mark })], figure, never);
    for (const { pid } of processesWith(`MARK=${mark}`)) process.kill(pid, 'SIGKILL');
    expect(result).toMatchObject({ status: 'done', detail: 'exit 0: left' });
    expect(result?.tookMs).toBeLessThan(20_000);
  }); // prettier-ignore

  it('keeps the end of an output of megabytes, in one line of print', async () => {
    const [result] = await runHandlers([command('loud', 'yes abc | head -c 3000000; printf "\\n\\033[31mthe\\tend\\n"')], figure, never);
    expect(result).toMatchObject({ status: 'done' });
    expect(result?.detail).toMatch(/^exit 0: …[ -~]{1,199}\[31mthe end$/);
  }); // prettier-ignore
});
