/** Does every call of coordination-memory give the right exit code, words that scripts can read, and one clear line for a fault? */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { callSource } from '../support/call-script.ts';
import {
  expectFault,
  keyValues,
  makeLab,
  ROOMY,
  runLines,
  streamsFile,
  type Lab,
} from '../support/scripts.ts';

const NAME = 'coordination-memory';
const COMMANDS = [
  'assess', 'batch', 'plan', 'run', 'spawn', 'complete', 'monitor', 'status', 'pause', 'resume', 'kill', 'cleanup', 'log',
]; // prettier-ignore

/** A project with the epic `shop`: stream 12/A, and 12/B that waits for it. */
function shopLab(): Lab {
  const lab = makeLab();
  lab.write('.claude-pm.yaml', 'agents:\n  tester:\n    command: [sh, -c, "echo {key}; exit 0"]\n');
  lab.write(
    '.claude/epics/shop/12-analysis.md',
    [
      '# Parallel Work Analysis: Issue #12',
      '## Parallel Streams',
      '### Stream A: Tables',
      '**Agent Type**: tester',
      '**Memory**: 30MB',
      '**Can Start**: immediately',
      '### Stream B: Screens',
      '**Agent Type**: tester',
      '**Memory**: 30MB',
      '**Can Start**: after Stream A completes',
      '**Dependencies**: Stream A',
      '',
    ].join('\n'),
  );
  return lab;
}

describe('a call that is no good', () => {
  it.each<[string[], RegExp]>([
    [[], /needs EPIC and a sub-command/],
    [['shop'], /needs a sub-command: assess, batch/],
    [['run'], /needs a sub-command/],
    [['shop', 'toString'], /no sub-command `toString`/],
    [['shop', '__proto__'], /no sub-command `__proto__`/],
    [['shop', 'constructor'], /no sub-command `constructor`/],
    [['shop', 'asses'], /no sub-command `asses`; did you mean assess\?/],
    [['shop', 'run\nrm'], /no sub-command `run\\nrm`/],
    [['shop', 'assess', '--budgets', '1GB'], /no flag `--budgets`; did you mean --budget\?/],
    [['shop', 'assess', '--__proto__', '1'], /no flag `--__proto__`/],
    [['shop', 'assess', '--budget'], /--budget needs a value: SIZE/],
    [['shop', 'assess', '--budget', '--kind', 'x'], /--budget needs a value: SIZE/],
    [['shop', 'assess', '--json=1'], /--json takes no value/],
    [['shop', 'assess', '--kind', 'a', '--kind', 'b'], /--kind was given twice/],
    [['shop', 'assess', '1', '2'], /has no use for `2`/],
    [['shop', 'assess', '0'], /N `0` is no whole number from 1 to 100000/],
    [['shop', 'assess', '1.5'], /N `1.5` is no whole number/],
    [['shop', 'assess', '1e3'], /N `1e3` is no whole number/],
    [['shop', 'assess', '100001'], /N `100001` is no whole number/],
    [['shop', 'batch', 'NaN'], /N `NaN` is no whole number/],
    [['shop', 'assess', '--memory', '0'], /--memory `0` is no size/],
    [['shop', 'assess', '--memory', '2 parsecs'], /--memory `2 parsecs` is no size/],
    [['shop', 'assess', '--budget', '99999999999GB'], /--budget `99999999999GB` is no size/],
    [
      ['shop', 'assess', '--kind', '__proto__'],
      /--kind `__proto__`: agents: in .claude-pm.yaml has only tester/,
    ],
    [['shop', 'spawn'], /spawn needs STREAM/],
    [['shop', 'spawn', 'A', '--pid', '0'], /--pid `0` is no whole number/],
    [['shop', 'spawn', 'A', '--pid=-5'], /--pid `-5` is no whole number/],
    [['shop', 'spawn', 'A', '--pid', '4194304'], /--pid 4194304: there is no such process/],
    [['shop', 'spawn', 'A', '--ttl', 'soon'], /--ttl `soon` is no duration/],
    [['shop', 'spawn', 'barn/12/A'], /"barn\/12\/A" is no stream of epic shop/],
    [['shop', 'spawn', '1/shop/12/A'], /is no stream of epic shop/],
    [['shop', 'complete', 'barn/12/A'], /"barn\/12\/A" is no stream of epic shop/],
    [['shop', 'complete', 'A', '--status', 'great'], /--status must be one of done, failed, blocked/],
    [['shop', 'pause', 'C'], /no stream "C"/],
    [['shop', 'kill', '12/AA'], /no stream "12\/AA": did you mean shop\/12\/A/],
    [['shop', 'run', '--streams', 'nowhere.yaml'], /there is no streams file/],
    [['shop', 'run', '--streams', '.'], /it is a folder/],
    [['shop', 'plan', '--', 'x'], /takes nothing behind `--`/],
    [['barn', 'run'], /no epic barn/],
    [['shpo', 'plan'], /no epic shpo: .*did you mean shop\?|no epic shpo/],
    [['shop', 'assess', '--project', '/nowhere'], /--project `\/nowhere` is no folder/],
    [['shop', 'assess', '--project', `/${'a'.repeat(10_000)}`], /too long/],
    [['shop', 'assess', '--set', 'no-equals'], /--set `no-equals`: write SECTION.KEY=VALUE/],
    [['shop', 'assess', '--set', '__proto__.x=1'], /__proto__\.x/],
    [['shop', 'assess', '--set', 'admission.floor_mb=-1'], /floor_mb/],
  ])('%j ends with 2 and one line that says why', async (args, message) => {
    const lab = shopLab();
    const ended = await lab.run(NAME, args);
    expectFault(ended, 2, message);
    expect(ended.stdout).toBe('');
    expect(lab.leases()).toEqual([]);
  });

  const HOSTILE = ['../x', '..', '.', '-', 'a/b', 'a\nb', 'a\tb', '\u001b[31mred', '__proto__', '', ' ', 'é', 'a'.repeat(10_240)]; // prettier-ignore
  const shownName = (name: string): string => JSON.stringify(name.slice(0, 20));
  it.each(HOSTILE.map((name) => [shownName(name), name]))(
    'the epic name %s leaves its folder, a line or memory in no sub-command',
    async (_, name) => {
      const lab = shopLab();
      const before = readdirSync(lab.project).sort();
      for (const words of name.includes('.')
        ? [
            ['log', 'x'],
            ['spawn', 'A'],
          ]
        : [['spawn', 'A']]) {
        const ended = await lab.run(NAME, [name, ...words]);
        expectFault(
          ended,
          2,
          /is no epic name|needs EPIC|has no flag|has no sub-command|needs a sub-command/,
        );
        // No control character of the name gets through to the terminal.
        expect(ended.stderr.slice(0, -1)).toMatch(/^[ -~…é]*$/);
      }
      expect(readdirSync(lab.project).sort()).toEqual(before);
      expect(existsSync(join(lab.project, '..', 'x'))).toBe(false);
      expect(lab.leases()).toEqual([]);
    },
  );

  it.each(HOSTILE.filter((name) => !name.startsWith('-')).map((name) => [shownName(name), name]))(
    'the stream name %s is refused and nothing is written',
    async (_, name) => {
      const lab = shopLab();
      for (const words of name.includes('.')
        ? [
            ['spawn', `12/${name}`],
            ['kill', name],
          ]
        : [['spawn', `12/${name}`]]) {
        const ended = await lab.run(NAME, ['shop', ...words]);
        expectFault(ended, 2, /is no (stream|issue|epic) |is no stream of epic|no stream "/);
        expect(ended.stderr.slice(0, -1)).toMatch(/^[ -~…é]*$/);
      }
      expect(lab.leases()).toEqual([]);
      expect(readdirSync(join(lab.project, '.claude', 'epics', 'shop'))).toEqual(['12-analysis.md']);
    },
  );

  it('takes names that other languages trip over', async () => {
    const lab = makeLab();
    const { pid } = lab.hold();
    for (const epic of ['constructor', 'toString', 'hasOwnProperty', 'run']) {
      const ended = await lab.run(NAME, [epic, 'spawn', 'constructor/toString', '--pid', String(pid), ...ROOMY, '--memory', '1MB']); // prettier-ignore
      expect([ended.status, ended.stderr]).toEqual([0, '']);
    }
    expect(lab.leases().map(({ key }) => key)).toContain('constructor/constructor/toString');
    expect((await lab.run(NAME, ['toString', 'complete', 'constructor/toString'])).status).toBe(0);
    expect(lab.leases()).toHaveLength(3);
  });

  it('says a fault as one JSON document, too', async () => {
    const ended = await makeLab().run(NAME, ['../x', 'assess', '--json']);
    expect(JSON.parse(ended.stdout)).toEqual({ error: expect.stringContaining('is no epic name') as string, exit_code: 2 }); // prettier-ignore
    expectFault(ended, 2, /is no epic name/);
  });
});

describe('each sub-command', () => {
  it.each(COMMANDS)('%s explains itself and touches nothing', async (command) => {
    const lab = makeLab();
    const ended = await lab.run(NAME, ['shop', command, '--help']);
    expect([ended.status, ended.stderr]).toEqual([0, '']);
    expect(ended.stdout).toContain(`coordination-memory EPIC ${command}`);
    for (const flag of ['--json', '--project', '--set', '--help']) expect(ended.stdout).toContain(flag);
    expect(existsSync(lab.state)).toBe(false);
    expect(readdirSync(lab.project)).toEqual([]);
  });

  it('lists all of them in the help, which also stands under -h', async () => {
    const lab = makeLab();
    const [long, short] = [await lab.run(NAME, ['--help']), await lab.run(NAME, ['-h'])];
    expect(long.stdout).toBe(short.stdout);
    for (const command of COMMANDS) expect(long.stdout).toMatch(new RegExp(`^ {2}${command} `, 'm'));
  });

  it('answers in lines, and with --json in one document of the same facts', async () => {
    const lab = shopLab();
    const { pid } = lab.hold();
    const spawn = ['spawn', '12/A', '--pid', String(pid), '--memory', '30MB'];
    const table: [string[], number, string[], string[]][] = [
      [['log', 'a\nb'], 0, ['log'], ['epic', 'lines']],
      [['assess', '2', '--memory', '30MB'], 0, ['assessment', 'total_memory', 'available_memory', 'running_agents', 'max_concurrent', 'spawn_capacity', 'memory_enabled', 'recommended_batch_size', 'batches', 'strategy'], ['assessment', 'spawnCapacity', 'capacity', 'need']],
      [['batch', '2', '--memory', '30MB'], 0, ['batch_size', 'batches', 'strategy'], ['batchSize', 'batches', 'strategy']],
      [['batch'], 0, ['streams', 'strategy', 'batches', 'batch_1', 'batch_2'], ['planned', 'batches']],
      [['plan'], 0, ['epic', 'streams', 'batches', 'stream'], ['planned', 'batches', 'strategy']],
      [['run', '--dry-run'], 0, ['epic', 'streams', 'batches', 'stream'], ['planned', 'batches', 'strategy']],
      [['status'], 0, ['epic', 'streams', 'done', 'running', 'waiting', 'paused', 'failed'], ['epic', 'streams']],
      [spawn, 0, ['decision', 'stream', 'reason', 'lease', 'estimate_mb', 'limit_mb', 'owner_pid'], ['key', 'decision', 'lease']],
      [spawn, 30, ['decision', 'stream', 'reason'], ['key', 'twin']],
      [['spawn', '12/B', '--pid', String(pid), '--memory', '30MB', '--budget', '31MB'], 75, ['decision', 'limited_by', 'short_by_mb', 'would_fit_mb', 'retry_after_seconds'], ['key', 'decision']],
      [['spawn', '12/B', '--memory', '9999GB', '--limit', '9999GB'], 30, ['decision', 'limited_by', 'short_by_mb', 'would_fit_mb'], ['key', 'decision']],
      [['monitor'], 0, ['epic', 'agents', 'agent'], ['epic', 'agents']],
      [['pause', '12/A', '--reason', 'lunch'], 0, ['stream', 'state', 'processes'], ['key', 'state', 'processes']],
      [['resume', '12/A', '--guidance', 'go on'], 0, ['stream', 'state', 'processes'], ['key', 'state', 'processes']],
      [['kill', '12/A'], 0, ['stream', 'ended', 'left'], ['key', 'ended', 'left']],
      [['complete', '12/A'], 0, ['stream', 'status', 'released'], ['key', 'status']],
      [['cleanup'], 0, ['void_leases', 'ended_processes', 'freed_mb'], ['leases', 'processes']],
      [['run'], 0, ['streams_done', 'streams_not_done', 'seconds', 'highest_agents', 'exit_code'], ['event']],
    ]; // prettier-ignore
    for (const [args, code, keys] of table) {
      const plain = await lab.run(NAME, ['shop', ...args, ...ROOMY]);
      expect([args[0], plain.status, plain.stderr]).toEqual([
        args[0],
        code,
        expect.not.stringMatching(/bug/),
      ]);
      expect(Object.keys(keyValues(plain.stdout))).toEqual(expect.arrayContaining(keys));
    }
    // Once more from the start, for --json.
    const second = shopLab();
    const holder = String(second.hold().pid);
    for (const [args, code, , jsonKeys] of table) {
      const words = args.map((word) => (word === String(pid) ? holder : word));
      const ended = await second.run(NAME, ['shop', ...words, ...ROOMY, '--json']);
      expect([args[0], ended.status]).toEqual([args[0], code]);
      if (args.length > 1 || args[0] !== 'run') {
        expect(Object.keys(JSON.parse(ended.stdout) as object)).toEqual(expect.arrayContaining(jsonKeys));
      } else {
        expect(runLines(ended.stdout).flatMap(({ event }) => (event === 'note' ? [] : event))).toEqual(['plan', 'start', 'end', 'start', 'end', 'summary']); // prettier-ignore
      }
    }
  });

  it('gives fewer than asked for exit 20, none for 75', async () => {
    const lab = makeLab();
    const { pid } = lab.hold();
    const few = await lab.run(NAME, [
      'shop',
      'assess',
      '3',
      '--memory',
      '10MB',
      '--budget',
      '25MB',
      ...ROOMY,
    ]);
    expect([few.status, keyValues(few.stdout)]).toEqual([20, expect.objectContaining({ assessment: 'limited', spawn_capacity: '2' })]); // prettier-ignore
    await lab.run(NAME, ['shop', 'spawn', 'A', '--pid', String(pid), '--memory', '10MB', ...ROOMY]);
    const none = await lab.run(NAME, [
      'shop',
      'assess',
      '3',
      '--memory',
      '10MB',
      '--budget',
      '15MB',
      ...ROOMY,
    ]);
    expect([none.status, keyValues(none.stdout)]).toEqual([75, expect.objectContaining({ assessment: 'insufficient', spawn_capacity: '0' })]); // prettier-ignore
  });

  it('answers the same from its sources through tsx', () => {
    const lab = shopLab();
    const source = callSource(lab, NAME, ['shop', 'plan', ...ROOMY]);
    expect([source.status, source.stdout.replace(/headroom_mb:\d+|mode_reason:[\d.]+/g, '')]).toEqual([
      0,
      lab.call(NAME, ['shop', 'plan', ...ROOMY]).stdout.replace(/headroom_mb:\d+|mode_reason:[\d.]+/g, ''),
    ]);
    expect(callSource(lab, NAME, ['shop', 'toString']).status).toBe(2);
    expect(callSource(lab, NAME, ['shop', 'run', ...ROOMY]).stdout).toContain('streams_done:2');
  });
});

describe('what a call leaves', () => {
  it('is readable by its user alone', async () => {
    const lab = makeLab();
    streamsFile(lab, [{ id: 'A', command: 'echo hi', memory: '10MB' }]);
    expect((await lab.run(NAME, ['shop', 'run', '--streams', 'streams.yaml', ...ROOMY])).status).toBe(0);
    await lab.run(NAME, ['shop', 'log', 'x']);
    const modes = spawnSync('find', ['.claude-pm', '.claude', lab.state, '-printf', '%y %m\n'], { cwd: lab.project, encoding: 'utf8' }).stdout; // prettier-ignore
    expect([...new Set(modes.trim().split('\n'))].sort()).toEqual(['d 700', 'f 600']);
  });

  it('is no shorter run where the reader of its words leaves', () => {
    const lab = makeLab();
    streamsFile(lab, [1, 2, 3].map((n) => ({ id: `S${n}`, command: `sleep 0.2; echo x >> done-${n}`, memory: '10MB' }))); // prettier-ignore
    const [node = '', script = ''] = lab.words(NAME);
    const line = `'${node}' '${script}' shop run --streams streams.yaml ${ROOMY.join(' ')} | head -1`;
    expect(lab.shell('sh', line)).toMatchObject({ status: 0, stdout: 'epic:shop\n', stderr: '' });
    expect([1, 2, 3].map((n) => lab.read(`done-${n}`))).toEqual(['x\n', 'x\n', 'x\n']);
  });
});
