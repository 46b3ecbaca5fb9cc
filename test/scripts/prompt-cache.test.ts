/** Does prompt-cache, called as its users call it, share values between processes, and tell a miss from a value? */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { makeWorld } from '../support/call-script.ts';
import { keyValues, makeLab } from '../support/scripts.ts';

describe('the table of calls', () => {
  it.each<[string[], number, RegExp, RegExp]>([
    [[], 2, /^$/, /needs a sub-command: get, set, delete, stats, clear, handle-pressure/],
    [['toString'], 2, /^$/, /no sub-command `toString`/],
    [['sett', 'a', 'b'], 2, /^$/, /did you mean set\?/],
    [['get', '--kee-file', 'x'], 2, /^$/, /no flag `--kee-file`; did you mean --key-file\?/],
    [['get'], 2, /^$/, /get needs a KEY, or --key-file FILE/],
    [['get', ''], 2, /^$/, /an empty key names nothing/],
    [['set', '--undefined'], 2, /^$/, /needs a KEY/],
    [['handle-pressure', '--level', 'high'], 2, /^$/, /`high` is none of normal, warning, critical/],
    [['--help'], 0, /shared by all processes of this user/, /^$/],
    [['get', 'absent'], 20, /^$/, /^prompt-cache: there is no entry under this key\n$/],
    [['get', 'absent', '--json'], 20, /^\{"found":false,"why":"absent"\}\n$/, /^$/],
    [['delete', 'absent'], 0, /^deleted:false\n$/, /^$/],
    [['handle-pressure', '--level', 'normal'], 0, /^level:normal\nremoved:0\nfreed_bytes:0\n$/, /^$/],
    [['stats'], 0, /^entries:0\nmax_entries:500\nsize_bytes:0\nsize_mb:0\nmax_mb:50\n(.*\n)*hits:0\nmisses:0\nsets:0\n/, /^$/],
  ])('%j ends with %d', (args, status, stdout, stderr) => {
    const world = makeWorld();
    try {
      const run = world.call('prompt-cache', args);
      expect([run.status, run.stderr]).toEqual([status, expect.stringMatching(stderr)]);
      expect(run.stdout).toMatch(stdout);
    } finally {
      world.remove();
    }
  });
}); // prettier-ignore

it('hands a value from one process to the others, whatever project they work in, and drops it under pressure', async () => {
  const lab = makeLab();
  lab.write('prompt.md', 'What is in cart.ts?\n');
  const set = await lab.run('prompt-cache', ['set', '--key-file', 'prompt.md'], { input: 'A cart.\n\0' });
  expect(set.status).toBe(0);
  const get = await lab.run('prompt-cache', ['get', '--key-file', `${lab.project}/prompt.md`], { cwd: lab.env['HOME'] ?? '/' });
  expect([get.status, get.stdout, get.stderr]).toEqual([0, 'A cart.\n\0', '']);
  const own = await lab.run('prompt-cache', ['set'], { input: 'shared' });
  const key = `sha256-${createHash('sha256').update('shared').digest('hex')}`;
  expect(keyValues(own.stdout)['key']).toBe(key);
  expect((await lab.run('prompt-cache', ['get', key])).stdout).toBe('shared');
  const huge = await lab.run('prompt-cache', ['set', 'huge', '--set', 'prompt_cache.max_mb=0.01'], { input: 'x'.repeat(20_000) });
  expect([huge.status, keyValues(huge.stdout)['decision']]).toEqual([30, 'refused']);
  const handled = await lab.run('memory-pressure', ['handle', '--set', 'admission.floor_mb=1048576']);
  expect(handled.stdout).toMatch(/^handler:prompt-cache done .* 2 entries removed \(\d+B\), 0 are left$/m);
  const stats = await lab.run('prompt-cache', ['stats']);
  expect(keyValues(stats.stdout)).toMatchObject({ entries: '0', hits: '2', misses: '0', sets: '2', refused: '1', evictions: '2', hit_percent: '100' });
}); // prettier-ignore
