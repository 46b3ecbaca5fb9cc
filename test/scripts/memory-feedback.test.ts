/** Do real runs teach, does a killed one lose nothing, and is a caller's word kept apart? Real calls of memory-feedback. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { PastAttempt } from '../../lib/history-model.ts';
import type { LookBack } from '../../lib/run-model.ts';
import { parseHistoryLine } from '../../lib/state/history-line.ts';
import { appendHistory } from '../../lib/state/history.ts';
import { MIB } from '../../lib/units.ts';
import { somePast } from '../support/nouns.ts';
import {
  expectFault,
  keyValues,
  makeLab,
  readJobs,
  ROOMY,
  streamsFile,
  waitFor,
  type Lab,
} from '../support/scripts.ts';

const SCRIPT = 'memory-feedback';

/** Holds so many megabytes for so long. */
const hold = (mb: number, ms: number): string[] => [
  process.execPath, '-e', `const b = Buffer.alloc(${mb} * 1048576, 1); setTimeout(() => b.length, ${ms})`,
]; // prettier-ignore

/** Takes so many megabytes only after half a second, and holds them as long. */
const rise = (mb: number): string[] => [
  process.execPath, '-e', `setTimeout(() => { const b = Buffer.alloc(${mb} * 1048576, 1); setTimeout(() => b.length, 500); }, 500)`,
]; // prettier-ignore

/** The records of the log as they stand in it. */
function recordsOf({ state }: Lab): PastAttempt[] {
  const log = join(state, 'history', 'attempts.jsonl');
  const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n') : [];
  return lines.flatMap((line) => {
    const parsed = parseHistoryLine(line);
    return typeof parsed === 'object' ? [parsed.attempt] : [];
  });
}

test.each([
  ['an unknown sub-command', ['recomend'], /did you mean recommend\?/],
  ['a sub-command of Object', ['toString'], /toString/],
  ['an unknown flag', ['trends', '--knd', 'x'], /did you mean --kind\?/],
  ['a label that is none', ['trends', '--label', 'a b'], /no name/],
  ['an unknown label', ['patterns', '--label', 'x'], /nothing was imported/],
  ['record without a label', ['record', 'f.csv'], /--label NAME/],
  ['record of no file', ['record', 'f.csv', '--label', 'x'], /no file/],
  ['suggest without an epic', ['suggest'], /needs EPIC/],
  ['backtest of nothing', ['backtest'], /nothing to replay/],
  ['a share that is none', ['backtest', '--learn', 'much'], /no share/],
])('%s is a fault in one line', async (_, args, message) => {
  expectFault(await makeLab().run(SCRIPT, args), 2, message);
});

test('a run leaves a measured record of each attempt, says what the next one reserves, and the next one does', async () => {
  const lab = makeLab();
  const file = streamsFile(lab, [
    { id: 'A', issue: 1, kind: 'tester', command: rise(60) },
    { id: 'B', issue: 1, kind: 'tester', command: hold(90, 400), memory: '700MB' },
    { id: 'C', issue: 1, kind: 'tester', command: hold(300, 20_000), limit: '160MB' },
  ]);
  const first = await lab.run('coordination-memory', [
    'shop',
    'run',
    '--streams',
    file,
    '--json',
    '--set',
    'retry.memory_attempts=0',
    ...ROOMY,
  ]);
  expect(first.status).toBe(30);
  const records = recordsOf(lab);
  const of = (id: string) => records.find(({ key }) => key === `shop/1/${id}`);
  expect(records).toHaveLength(3);
  expect(of('A')).toMatchObject({ kind: 'tester', cause: 'done', isCensored: false, label: undefined });
  expect(of('A')?.peakBytes).toBeGreaterThan(60 * MIB);
  expect(of('A')?.profile.length).toBeGreaterThan(1);
  expect(of('A')?.profile.at(-1)?.untilMs).toBe(of('A')?.durationMs);
  expect(of('C')).toMatchObject({ cause: 'our-limit', isCensored: true, limitBytes: 160 * MIB });
  expect(readdirSync(join(lab.project, '.claude-pm', 'runs', 'shop'))).not.toContain('history-open.json');

  const summary = JSON.parse(first.stdout.trimEnd().split('\n').at(-1) ?? '') as { estimates: LookBack[] };
  const next = new Map(summary.estimates.map((one) => [one.key, one]));
  expect(next.get('shop/1/B')).toMatchObject({ nextBytes: 700 * MIB, nextReason: 'as it is written' });
  expect(next.get('shop/1/C')).toMatchObject({ isCensored: true, nextBytes: 160 * MIB });

  const plan = await lab.run('coordination-memory', ['shop', 'plan', '--streams', file, '--json', ...ROOMY]);
  const { planned } = JSON.parse(plan.stdout) as { planned: { stream: { key: string }; estimateBytes: number; estimateFrom: string; estimateReason?: string; expectedMs?: number }[] }; // prettier-ignore
  const a = planned.find(({ stream }) => stream.key === 'shop/1/A');
  expect(a).toMatchObject({ estimateFrom: 'history', estimateBytes: next.get('shop/1/A')?.nextBytes });
  expect(a?.estimateReason).toMatch(/^P99 of 1 run of this stream/);
  expect(a?.expectedMs).toBe(of('A')?.durationMs);
  expect(planned.find(({ stream }) => stream.key === 'shop/1/B')?.estimateFrom).toBe('stream');

  const fixed = await lab.run('coordination-memory', ['shop', 'plan', '--streams', file, '--set', 'feedback.estimator=fixed', ...ROOMY]); // prettier-ignore
  expect(fixed.stdout).toMatch(/shop\/1\/A .* from=prior/);
  const suggested = keyValues(
    (await lab.run(SCRIPT, ['suggest', 'shop', '--streams', file, ...ROOMY])).stdout,
  );
  expect(suggested).toMatchObject({ streams: '3', estimated_from_history: '2' });
});

test('what a killed run could not write comes from its joblog into the next run’s history, once', async () => {
  const lab = makeLab();
  const file = streamsFile(lab, [
    { id: 'A', issue: 1, kind: 'tester', command: hold(50, 600) },
    { id: 'B', issue: 1, kind: 'tester', command: hold(50, 100_000) },
  ]);
  const run = ['shop', 'run', '--streams', file, ...ROOMY];
  const victim = lab.start('coordination-memory', run);
  await waitFor(() => readJobs(lab, 'shop').length === 1, 'the end of the first stream');
  victim.child.kill('SIGKILL');
  await victim.ended;
  const left = lab.processes();
  for (const { pid } of left) process.kill(pid, 'SIGKILL');
  await waitFor(() => lab.processes().length === 0, 'the end of what it left');
  const before = recordsOf(lab).length;

  const short = streamsFile(
    lab,
    [{ id: 'B', issue: 1, kind: 'tester', command: hold(50, 400) }],
    'short.yaml',
  );
  const next = await lab.run('coordination-memory', [
    'shop',
    'run',
    '--resume',
    '--streams',
    short,
    ...ROOMY,
  ]);
  expect(next.status).toBe(0);
  const keys = recordsOf(lab).map(({ key }) => key);
  expect(keys.sort()).toEqual(['shop/1/A', 'shop/1/B']);
  expect(recordsOf(lab).find(({ key }) => key === 'shop/1/A')).toMatchObject({
    kind: 'tester',
    cause: 'done',
  });
  if (before === 0) expect(next.stderr).toMatch(/1 attempts of a run that was killed/);
});

test('guarded and retried commands leave a record each, of the kind of their tool or the one that is named', async () => {
  const lab = makeLab();
  lab.write('work.mjs', 'const b = Buffer.alloc(40 * 1048576, 1); setTimeout(() => b.length, 300);');
  await lab.run('memory-monitor', [
    'run',
    '--set',
    'admission.floor_mb=1',
    '--',
    process.execPath,
    'work.mjs',
  ]);
  lab.write('.claude-pm.yaml', 'agents: { fixer: { command: [node] } }\n');
  await lab.run('memory-retry', ['run', '--kind', 'fixer', ...ROOMY, '--', process.execPath, 'work.mjs']);
  expect(recordsOf(lab)).toMatchObject([
    { kind: 'node work.mjs', command: 'node work.mjs', cause: 'done', isCensored: false },
    { kind: 'fixer', command: 'node work.mjs', cause: 'done' },
  ]);
  expect(recordsOf(lab).every(({ peakBytes, profile }) => peakBytes > 40 * MIB && profile.length > 0)).toBe(
    true,
  );
});

test('imported figures stay under their label: no recommendation and no estimate of ours sees them', async () => {
  const lab = makeLab();
  const rows = Array.from({ length: 40 }, (_, at) => `tester,900,1,0,0,${1000 + at},5000,${900 * MIB},0`);
  lab.write(
    't.csv',
    ['process,memory,attempt,submit,start,complete,realtime,peak_rss,exit', ...rows, 'torn'].join('\n'),
  );
  const recorded = await lab.run(SCRIPT, ['record', 't.csv', '--label', 'cluster']);
  expect(keyValues(recorded.stdout)).toEqual({
    recorded: '40',
    skipped_lines: '1',
    label: 'cluster',
    form: 'tasks',
  });
  expect(keyValues((await lab.run(SCRIPT, ['recommend'])).stdout)).toEqual({ attempts: '0' });
  expect((await lab.run(SCRIPT, ['recommend', '--label', 'cluster'])).stdout).toMatch(/recommend:tester memory=945MB .*confidence=medium \(P99 of 40 runs of tester × 1\.05, 0% above it so far\)/); // prettier-ignore

  const backtest = keyValues((await lab.run(SCRIPT, ['backtest', 't.csv'])).stdout);
  expect(backtest['estimator']?.split('\n').map((line) => line.split(' ')[0])).toEqual([
    'p99',
    'vpa',
    'max',
    'tovar',
    'fixed',
  ]);
  expect(backtest['estimator']).toMatch(/p99 tasks=28 failures=0 /);
});

test('apply changes the figures of known kinds in their place, after a diff if one is asked for', async () => {
  const lab = makeLab();
  const text = '# ours\nagents:\n  tester: # tests\n    command: [node, test.mjs]\n    memory:  2GB   # a guess\n';
  lab.write('.claude-pm.yaml', text);
  const kinds = ['tester', 'nobody'].flatMap((kind) => Array.from({ length: 20 }, (_, at) => somePast({ kind, endedMs: at })));
  appendHistory(lab.state, kinds);
  const dry = await lab.run(SCRIPT, ['apply', '--dry-run']);
  expect(keyValues(dry.stdout)).toMatchObject({ written: 'false', left: 'nobody: no kind under agents: in the settings' });
  expect(dry.stdout).toMatch(/^diff:-    memory: {2}2GB {3}# a guess$/m);
  expect(lab.read('.claude-pm.yaml')).toBe(text);

  expect((await lab.run(SCRIPT, ['apply'])).status).toBe(0);
  expect(lab.read('.claude-pm.yaml')).toBe(text.replace('2GB', '315MB'));
  expect((await lab.run(SCRIPT, ['apply'])).stdout).toMatch(/written:false/);
  for (const command of ['trends', 'patterns', 'calibration']) {
    const { status, stdout } = await lab.run(SCRIPT, [command, '--json']);
    expect([status, Object.keys(JSON.parse(stdout) as object)]).toEqual([0, expect.arrayContaining([command])]);
  }
}); // prettier-ignore
