/** Does memory-pressure, called as its users call it, do what the level asks for, once, and nothing at level normal? */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readMemory } from '../../lib/probe/memory.ts';
import { MIB } from '../../lib/units.ts';
import { callSource, makeWorld } from '../support/call-script.ts';
import { keyValues, makeLab, waitFor, type Lab } from '../support/scripts.ts';

const set = (...pairs: string[]): string[] => pairs.flatMap((pair) => ['--set', pair]);
const SHARES = set('pressure.warning=99%', 'pressure.critical=100%');
const NORMAL = [...SHARES, ...set('admission.floor_mb=1')];
/** Between the floor and twice the floor, whatever the machine is. */
const warning = (): string[] => [
  ...SHARES,
  ...set(`admission.floor_mb=${Math.round((readMemory().availableBytes / MIB) * 0.7)}`),
];
const CRITICAL = [...SHARES, ...set('admission.floor_mb=1048576')];

/** Handlers that write what they are told; `trim` has a command for each level. */
function withHandlers(lab: Lab, extra = ''): void {
  const tell = (word: string): string => `[sh, -c, 'echo "${word} $CLAUDE_PM_PRESSURE_LEVEL $CLAUDE_PM_PRESSURE_HANDLER $CLAUDE_PM_PRESSURE_AVAILABLE_MB $CLAUDE_PM_PRESSURE_TOTAL_MB $CLAUDE_PM_PRESSURE_USED_PERCENT" >> told']`;
  lab.write('.claude-pm.yaml', `pressure:\n  handlers:\n    - name: trim\n      warning: ${tell('w')}\n      critical: ${tell('c')}\n${extra}`);
} // prettier-ignore
const told = (lab: Lab): string[] => lab.read('told').split('\n').filter((line) => line !== ''); // prettier-ignore
const state = (lab: Lab): unknown => JSON.parse(readFileSync(join(lab.state, 'pressure.json'), 'utf8'));

describe('the table of calls', () => {
  it.each<[string[], number, RegExp, RegExp]>([
    [[], 2, /^$/, /needs a sub-command: status, handle, watch, handlers/],
    [['toString'], 2, /^$/, /no sub-command `toString`/],
    [['handel'], 2, /^$/, /did you mean handle\?/],
    [['handle', '--froce'], 2, /^$/, /no flag `--froce`; did you mean --force\?/],
    [['status', '--force'], 2, /^$/, /no flag `--force`/],
    [['handle', 'now'], 2, /^$/, /no use for `now`/],
    [['watch', '--count', '0'], 2, /^$/, /--count `0` is no whole number/],
    [['status', '--set', 'pressure.cooldown=lots'], 2, /^$/, /pressure\.cooldown/],
    [['--help'], 0, /handlers that make room/, /^$/],
    [['handle', '--help'], 0, /skip the cooldown, and only that/, /^$/],
    [['--version'], 0, /^memory-pressure \d/, /^$/],
    [['status', ...NORMAL], 0, /^level:normal\nreason:/, /^$/],
    [['status', ...CRITICAL], 30, /^level:critical\nreason:.* under the floor of /, /^$/],
    [['status', '--json', ...CRITICAL], 30, /^\{"level":"critical",.*"holdMs":0,/, /^$/],
    [['handle', ...NORMAL], 0, /^decision:nothing\n(.*\n)*handlers:0\n/, /^$/],
    [['handle', '--force', ...NORMAL], 0, /^decision:nothing\n/, /^$/],
    [['handle', '--json', ...CRITICAL], 30, /"outcome":"handled"/, /^$/],
    [['watch', '--count', '2', ...NORMAL], 0, /^[\d:]{8} normal: .*\n$/, /^$/],
    [['handlers'], 0, /^handler:hold .*\nhandler:idle-agents .*timeout_seconds=35 .*\nhandler:void-leases .*timeout_seconds=35 .*\nhandler:prompt-cache .*\nhandler:logs .*\n$/, /^$/],
  ])('%j ends with %d', (args, status, stdout, stderr) => {
    const world = makeWorld();
    try {
      const run = world.call('memory-pressure', args);
      expect([run.status, run.stderr]).toEqual([status, expect.stringMatching(stderr)]);
      expect(run.stdout).toMatch(stdout);
    } finally {
      world.remove();
    }
  });

  it('answers the same from its sources', () => {
    const lab = makeLab();
    expect(callSource(lab, 'memory-pressure', ['handlers']).stdout).toBe(lab.call('memory-pressure', ['handlers']).stdout);
  });

  it('answers warning with 20', () => {
    const run = makeLab().call('memory-pressure', ['status', ...warning()]);
    expect([run.status, keyValues(run.stdout)['level']]).toEqual([20, 'warning']);
  });
}); // prettier-ignore

describe('handle', () => {
  it('fault 16: no handler runs at level normal, not even by force', () => {
    const lab = makeLab();
    withHandlers(lab);
    for (const force of [[], ['--force']]) {
      const run = lab.call('memory-pressure', ['handle', ...force, ...NORMAL]);
      expect([run.status, keyValues(run.stdout)['handlers'], keyValues(run.stdout)['handler']]).toEqual([0, '0', undefined]);
    }
    expect(told(lab)).toEqual([]);
    expect(state(lab)).not.toHaveProperty('last');
  }); // prettier-ignore

  it('tells handlers the level and the figures, and runs the command of the level', () => {
    const lab = makeLab();
    withHandlers(lab);
    expect(lab.call('memory-pressure', ['handle', ...warning()]).status).toBe(20);
    const run = lab.call('memory-pressure', ['handle', ...CRITICAL]);
    expect(run.status).toBe(30);
    const [first = '', second = '', ...more] = told(lab);
    expect(more).toEqual([]);
    expect(first).toMatch(/^w warning trim \d+ \d+ \d+\.\d$/);
    expect(second).toMatch(/^c critical trim \d+ \d+ \d+\.\d$/);
    const [, , , available, total] = second.split(' ').map(Number);
    expect((total ?? 0) * MIB).toBeCloseTo(readMemory().totalBytes, -7);
    expect(available).toBeLessThanOrEqual(total ?? 0);
    expect(keyValues(run.stdout)['handler']?.split('\n').map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual(['hold done', 'idle-agents done', 'void-leases done', 'prompt-cache done', 'logs done', 'trim done']);
  }); // prettier-ignore

  it('waits for the cooldown, which force skips', () => {
    const lab = makeLab();
    withHandlers(lab);
    const call = (...words: string[]) => lab.call('memory-pressure', ['handle', ...words, ...CRITICAL]);
    expect(call().status).toBe(30);
    const again = call();
    expect([again.status, keyValues(again.stdout)['decision']]).toEqual([75, 'cooldown']);
    expect(Number(keyValues(again.stdout)['retry_after_seconds'])).toBeGreaterThan(0);
    expect(told(lab)).toHaveLength(1);
    expect(call('--force').status).toBe(30);
    expect(call('--set', 'pressure.cooldown=0').status).toBe(30);
    expect(told(lab)).toHaveLength(3);
  });

  it('goes on after a handler that fails and one that hangs, and tells both', () => {
    const lab = makeLab();
    withHandlers(lab, '    - { name: bad, warning: [sh, -c, "exit 7"] }\n    - { name: slow, warning: [sleep, 1000], timeout: 0.3 }\n    - { name: good, warning: [touch, reached] }\n');
    const run = lab.call('memory-pressure', ['handle', ...CRITICAL]);
    expect(run.status).toBe(30);
    expect(keyValues(run.stdout)).toMatchObject({ handlers: '9', failed_handlers: '2' });
    expect(run.stdout).toMatch(/^handler:bad failed change_mb=-?\d+ before_mb=\d+ after_mb=\d+ took_ms=\d+ exit 7$/m);
    expect(run.stdout).toMatch(/^handler:slow timeout .* not done after 0\.3 s; ended 1 processes$/m);
    expect(existsSync(join(lab.project, 'reached'))).toBe(true);
    const status = lab.call('memory-pressure', ['status', ...NORMAL]);
    expect(keyValues(status.stdout)).toMatchObject({ last_level: 'critical', last_level_after: 'critical' });
    expect(status.stdout).toContain('handler:slow timeout');
  }); // prettier-ignore

  it('lets only one of two work at once; the other says who does and ends at once', async () => {
    const lab = makeLab();
    lab.write('.claude-pm.yaml', `pressure:\n  handlers:\n    - { name: wait, warning: [sh, -c, 'echo began >> told; while [ ! -e go ]; do sleep 0.05; done'], timeout: 60 }\n`);
    const first = lab.start('memory-pressure', ['handle', ...CRITICAL]);
    await waitFor(() => told(lab).length === 1, 'the first handler');
    const second = lab.call('memory-pressure', ['handle', '--force', ...CRITICAL]);
    expect([second.status, keyValues(second.stdout)['decision']]).toEqual([75, 'busy']);
    expect(second.stdout).toContain(`process ${first.pid} is handling memory pressure now`);
    writeFileSync(join(lab.project, 'go'), '');
    expect((await first.ended).status).toBe(30);
    expect(told(lab)).toEqual(['began']);
    expect(readdirSync(lab.state).filter((name) => name.includes('pressure'))).toEqual(['pressure.json']);
  }); // prettier-ignore

  it('takes over from one that was killed at work', async () => {
    const lab = makeLab();
    lab.write('.claude-pm.yaml', `pressure:\n  handlers:\n    - { name: wait, warning: [sh, -c, 'echo began >> told; [ -e go ] || sleep 1000'], timeout: 60 }\n`);
    const first = lab.start('memory-pressure', ['handle', ...CRITICAL]);
    await waitFor(() => told(lab).length === 1, 'the first handler');
    first.child.kill('SIGKILL');
    await first.ended;
    writeFileSync(join(lab.project, 'go'), '');
    expect(keyValues(lab.call('memory-pressure', ['handle', ...CRITICAL]).stdout)['decision']).toBe('handled');
  }); // prettier-ignore

  it('ends its handler when it is told to end', async () => {
    const lab = makeLab();
    lab.write('.claude-pm.yaml', `pressure:\n  handlers:\n    - { name: wait, warning: [sh, -c, 'echo began >> told; sleep 1000'], timeout: 60 }\n`);
    const first = lab.start('memory-pressure', ['handle', ...CRITICAL]);
    await waitFor(() => told(lab).length === 1, 'the handler');
    first.child.kill('SIGTERM');
    const { status, stdout } = await first.ended;
    expect([status, keyValues(stdout)['decision']]).toEqual([75, 'stopped']);
    expect(lab.processes()).toEqual([]);
  }); // prettier-ignore

  it('holds admissions beside a running agent while critical, and lifts the hold at the next look below', () => {
    const lab = makeLab();
    const spawn = (stream: string) =>
      lab.call('coordination-memory', ['shop', 'spawn', stream, '--pid', String(lab.hold().pid), '--memory', '50MB', ...set('admission.floor_mb=1', 'admission.safety_mb=0', 'memory_management.coordinator_memory_gb=0')]);
    expect(lab.call('memory-pressure', ['handle', ...CRITICAL]).stdout).toContain('no agent runs: nothing to hold');
    expect(spawn('1/A').status).toBe(0);
    expect(lab.call('memory-pressure', ['handle', '--force', ...CRITICAL]).stdout).toContain('no agent is admitted beside the 1 that run, for 1m30s at most');
    const held = spawn('1/B');
    expect([held.status, keyValues(held.stdout)['limited_by']]).toEqual([75, 'hold']);
    expect(keyValues(held.stdout)['reason']).toMatch(/^memory pressure was critical: admissions are held for 1m\d\ds more at most$/);
    expect(Number(keyValues(lab.call('memory-pressure', ['status', ...NORMAL]).stdout)['hold_seconds'])).toBeGreaterThan(0);
    const lifted = lab.call('memory-pressure', ['handle', ...NORMAL]);
    expect([lifted.status, lifted.stderr]).toEqual([0, 'admissions are no longer held\n']);
    expect(spawn('1/B').status).toBe(0);
  }); // prettier-ignore

  it('puts a damaged file of its own aside and works', () => {
    const lab = makeLab();
    lab.call('memory-pressure', ['handle', ...NORMAL]);
    writeFileSync(join(lab.state, 'pressure.json'), '{');
    const status = lab.call('memory-pressure', ['status', ...NORMAL]);
    expect([status.status, status.stderr]).toEqual([2, expect.stringContaining('`memory-pressure handle` puts it aside')]);
    const run = lab.call('memory-pressure', ['handle', ...CRITICAL]);
    expect([run.status, run.stderr]).toEqual([30, expect.stringMatching(/kept as .*pressure\.json\.damaged-/)]);
  }); // prettier-ignore
});

describe('watch', () => {
  it('handles once within the cooldown, tells it, and ends by TERM with 0', async () => {
    const lab = makeLab();
    withHandlers(lab);
    const watching = lab.start('memory-pressure', ['watch', '--json', ...CRITICAL]);
    await waitFor(() => watching.stdout().includes('"handling"'), 'the handling');
    watching.child.kill('SIGTERM');
    const { status, stdout } = await watching.ended;
    const events = stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as { event: string; level?: string });
    expect(status).toBe(0);
    expect(events.map(({ event, level }) => [event, level])).toEqual([['level', 'critical'], ['handling', undefined]]);
    expect(told(lab)).toHaveLength(1);
  }); // prettier-ignore

  it('runs nothing at level normal', () => {
    const lab = makeLab();
    withHandlers(lab);
    expect(lab.call('memory-pressure', ['watch', '--count', '3', ...NORMAL]).status).toBe(0);
    expect(told(lab)).toEqual([]);
  });
});
