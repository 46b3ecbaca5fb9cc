/** Does a pipe take line after line from callers that come and go, and does a follower see each line once and whole? */
import { spawn } from 'node:child_process';
import { appendFileSync, openSync, closeSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it, onTestFinished } from 'vitest';
import { followFile, makePipe, openPipeForChild, sizeOf, writePipe } from '../lib/pipes.ts';
import { tempDir, waitFor } from './support/scripts.ts';

const never = (): boolean => false;

it('a reader that holds its pipe open sees no end between two callers, and takes more than a pipe holds', async () => {
  const dir = tempDir();
  const [pipe, out] = [join(dir, 'pipe'), join(dir, 'out')];
  makePipe(pipe);
  expect(statSync(pipe).mode & 0o777).toBe(0o600);
  expect(await writePipe(pipe, 'x\n', never)).toBe(false);
  const [stdin, stdout] = [openPipeForChild(pipe), openSync(out, 'w')];
  const child = spawn('cat', [], { stdio: [stdin, stdout, 'ignore'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  closeSync(stdin);
  closeSync(stdout);
  const large = `${'l'.repeat(300_000)}\n`;
  for (const text of ['one\n', large, 'two\n']) expect(await writePipe(pipe, text, never)).toBe(true);
  await waitFor(() => sizeOf(out) === large.length + 8, 'all that was written');
  expect(readFileSync(out, 'utf8')).toBe(`one\n${large}two\n`);
  expect(child.exitCode).toBeNull();
  child.kill('SIGSTOP');
  let looks = 0;
  expect(await writePipe(pipe, large, () => (looks += 1) > 3)).toBe(false);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  expect(await writePipe(pipe, 'x\n', never)).toBe(false);
});

it('whatever is appended in whatever pieces comes out as whole lines, and the end is where the next line begins', () => {
  const dir = tempDir();
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', '\n', 'é\n', 'bb', '\n\n'), { maxLength: 20 }), (pieces) => {
      const path = join(dir, 'log');
      writeFileSync(path, 'before\n');
      const follower = followFile(path, 7);
      const seen: string[] = [];
      let toByte = 7;
      for (const piece of pieces) {
        appendFileSync(path, piece);
        const { lines, toByte: end } = follower.read();
        seen.push(...lines);
        toByte = end;
      }
      follower.close();
      const text = pieces.join('');
      const whole = text.slice(0, text.lastIndexOf('\n') + 1);
      expect(seen).toEqual(whole.split('\n').slice(0, -1));
      expect(toByte).toBe(7 + Buffer.byteLength(whole));
    }),
    { numRuns: 50 },
  );
});
