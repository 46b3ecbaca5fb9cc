/** Does the bundled hook let exactly what fits through, give every share back, and never show a client more than its own JSON? */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { PastAttempt } from '../../lib/history-model.ts';
import type { HookWord } from '../../lib/policy/hook-event.ts';
import { callSource, makeWorld } from '../support/call-script.ts';
import { SESSION, THREE_FIT, asks, callHook, heard, recordedSession } from '../support/hooks.ts';
import { keyValues, makeLab, waitFor, type Lab } from '../support/scripts.ts';

const NAME = 'claude-hook';
const AGENT = 'a16c229ec9a6b0963';

function labWith(settings: string): Lab {
  const lab = makeLab();
  lab.write('.claude-pm.yaml', settings);
  return lab;
}

/** `CALL AGENT state` of each share. */
const shares = (lab: Lab): string[] =>
  lab.leases().map(({ client, state }) => `${client?.call ?? '-'} ${client?.agent ?? '-'} ${state}`);

describe('the table of calls', () => {
  it.each<[string[], number, RegExp, RegExp]>([
    [[], 2, /^$/, /needs a sub-command: pre-tool-use, post-tool-use/],
    [['toString'], 2, /^$/, /no sub-command `toString`/],
    [['pre-tool-us'], 2, /^$/, /did you mean pre-tool-use\?/],
    [['stop', '--blok'], 2, /^$/, /no flag `--blok`; did you mean --block\?/],
    [['--help'], 0, /subagent-start +an agent begins/, /^$/],
    [['--version'], 0, /^claude-hook \d+\.\d+\.\d+\n$/, /^$/],
    // By hand, without an event on stdin: said in the client's own form.
    [['pre-tool-use'], 0, /^\{"systemMessage":"Memory gate: .*no JSON.*let through/, /^$/],
    [['pre-tool-use', '--block'], 0, /"permissionDecision":"deny"/, /^$/],
    [['stop'], 0, /^$/, /^$/],
  ])('%j ends with %d', (args, status, stdout, stderr) => {
    const world = makeWorld();
    try {
      const run = world.call(NAME, args);
      expect([run.status, run.stderr]).toEqual([status, expect.stringMatching(stderr)]);
      expect(run.stdout).toMatch(stdout);
    } finally {
      world.remove();
    }
  });

  it('answers the same from its sources', () => {
    const world = makeWorld();
    try {
      expect(callSource(world, NAME, ['pre-tool-use']).stdout).toBe(
        world.call(NAME, ['pre-tool-use']).stdout,
      );
    } finally {
      world.remove();
    }
  });
});

it('a recorded session of the real client is let through, each agent holds one share, none is left, and no key is in any file', async () => {
  const lab = makeLab();
  const most: number[] = [];
  const env = {
    ANTHROPIC_API_KEY: 'secret-of-the-client',
    CLAUDE_PM_ALERTS_WEBHOOK: 'https://x.test/secret-of-ours',
  };
  // What the client did in its shell is none of the gate's business here.
  const session = recordedSession().filter(({ input }) => input['tool_name'] !== 'Bash');
  for (const { word, input } of session) {
    const answer = heard(await callHook(lab, word, JSON.stringify(input), { env }));
    if (word === 'session-start')
      expect(answer.context).toMatch(/^Memory gate: start at most [1-9]\d* sub-agents? now/);
    else expect([word, answer]).toEqual([word, {}]);
    most.push(lab.leases().length);
  }
  // One call that the client refused, an agent beside one with an agent inside, then one at a time, then a workflow's two.
  expect(Math.max(...most)).toBe(3);
  expect(most.at(-1)).toBe(0);
  const stats = (await lab.run('memory-monitor', ['stats', '--json'])).stdout;
  expect(stats).toContain('claude/5e551017/');
  const logged = lab.read('.claude-pm/logs/memory/subprocess-stats.jsonl').trim().split('\n');
  expect(logged.length).toBeGreaterThanOrEqual(7);
  for (const line of logged) expect(line).toMatch(/"shared_with":\d/);
  // The whole tree's figures, under a label that no estimate reads.
  const log = join(lab.state, 'history', 'attempts.jsonl');
  const past = readFileSync(log, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as PastAttempt); // prettier-ignore
  expect(past.length).toBe(logged.length);
  for (const attempt of past) expect(attempt).toMatchObject({ label: 'shared', command: 'claude' });
  expect((await lab.run('memory-feedback', ['recommend'])).stdout).toBe('attempts:0\n');
  // A log that has grown is folded when a session ends, and nothing of it is lost.
  const many = Math.ceil(1024 ** 2 / readFileSync(log).length);
  writeFileSync(log, readFileSync(log, 'utf8').repeat(many));
  heard(await callHook(lab, 'session-end', { reason: 'other' }));
  expect(readdirSync(dirname(log))).toEqual(['kept.json']);
  const shared = (await lab.run('memory-feedback', ['recommend', '--label', 'shared', '--json'])).stdout;
  // A record that stands there twice is one.
  expect(shared).toContain(`"attempts":${past.length},`);

  for (const dir of [lab.state, lab.project])
    for (const file of readdirSync(dir, { recursive: true, encoding: 'utf8' })) {
      const path = join(dir, file);
      const holdsSecret = statSync(path).isFile() && readFileSync(path, 'latin1').includes('secret');
      expect([file, holdsSecret]).toEqual([file, false]);
    }
});

describe('eight calls at once where three fit', () => {
  it('three are let through, five hear what is missing and what to do', async () => {
    const lab = labWith(THREE_FIT);
    const holder = lab.hold().pid;
    await callHook(lab, 'session-start', {}, { client: holder });
    const ended = await Promise.all(
      Array.from({ length: 8 }, (_, n) => callHook(lab, 'pre-tool-use', asks(`T${n}`), { client: holder })),
    );
    const answers = ended.map(heard);
    expect(answers.filter(({ decision }) => decision === undefined)).toHaveLength(3);
    const refused = answers.filter(({ decision }) => decision === 'deny');
    expect(refused).toHaveLength(5);
    for (const { reason } of refused)
      expect(reason).toMatch(/^Memory gate: [\d.]+MB short: 256\.0MB needed.*3 of 8 agents running\. Run the rest after one of them has ended \(ask again in 5\.0s at the earliest\), or do this part yourself\.$/); // prettier-ignore
    expect(lab.leases()).toHaveLength(3);

    // Other callers count them, too, and a call that failed makes place for the next.
    const assessed = await lab.run('coordination-memory', ['shop', 'assess']);
    expect(keyValues(assessed.stdout)).toMatchObject({ running_agents: '3', spawn_capacity: '0' });
    const call = lab.leases()[0]?.client?.call ?? '';
    heard(await callHook(lab, 'post-tool-use-failure', asks(call), { client: holder }));
    expect(heard(await callHook(lab, 'pre-tool-use', asks('T9'), { client: holder }))).toEqual({});
    // Asked again for the same call, it has its share already.
    expect(heard(await callHook(lab, 'pre-tool-use', asks('T9'), { client: holder }))).toEqual({});
    expect(lab.leases()).toHaveLength(3);
  });

  it('a client that dies holds nothing from that moment', async () => {
    const lab = labWith(THREE_FIT);
    const holder = lab.hold();
    const three = ['T1', 'T2', 'T3'].map((call) =>
      callHook(lab, 'pre-tool-use', asks(call), { client: holder.pid }),
    );
    for (const one of await Promise.all(three)) heard(one);
    expect(heard(await callHook(lab, 'pre-tool-use', asks('T4'))).decision).toBe('deny');
    holder.kill('SIGKILL');
    await waitFor(() => holder.signalCode !== null, 'its death');
    // What its last hooks tell comes too late: nothing is reserved for nobody.
    const late = { agent_id: AGENT, agent_type: 'general-purpose' };
    const after = { client: holder.pid };
    expect(heard(await callHook(lab, 'subagent-start', late, after))).toEqual({});
    expect(heard(await callHook(lab, 'pre-tool-use', asks('T5'), after))).toEqual({});
    expect(heard(await callHook(lab, 'pre-tool-use', asks('T4')))).toEqual({});
    expect(shares(lab)).toEqual(['T4 - starting']);
  });
});

describe('what does not fit', () => {
  const full = async (settings: string): Promise<Lab> => {
    const lab = labWith(THREE_FIT + settings);
    const three = ['T1', 'T2', 'T3'].map((call) => callHook(lab, 'pre-tool-use', asks(call)));
    for (const one of await Promise.all(three)) heard(one);
    return lab;
  };

  it('is deferred, or waits until one has ended, as the settings say', async () => {
    const lab = await full('gate:\n  when_full: defer\n');
    expect(heard(await callHook(lab, 'pre-tool-use', asks('T4')))).toMatchObject({
      decision: 'defer',
      reason: expect.stringMatching(/short/) as string,
    });
    lab.write('.claude-pm.yaml', `${THREE_FIT}gate:\n  when_full: wait\n  wait: 20s\n`);
    let over = false;
    const waiting = callHook(lab, 'pre-tool-use', asks('T4')).finally(() => (over = true));
    // Another client's end of a turn is none of ours.
    await callHook(lab, 'stop', { background_tasks: [] }, { client: lab.hold().pid });
    expect(over).toBe(false);
    await callHook(lab, 'post-tool-use-failure', asks('T1'));
    expect(heard(await waiting)).toEqual({});
    expect(shares(lab).sort()).toEqual(['T2 - starting', 'T3 - starting', 'T4 - starting']);
  });

  it('is known all the same where nobody could refuse it, after it waited', async () => {
    const lab = await full('gate:\n  wait: 0\n');
    for (const agent of ['b1', 'b2', 'b3', 'b4'])
      heard(await callHook(lab, 'subagent-start', { agent_id: agent, agent_type: 'general-purpose' }));
    expect(
      shares(lab)
        .map((share) => share.slice(-10))
        .sort(),
    ).toEqual(['b1 running', 'b2 running', 'b3 running', 'b4 running']);
    expect(shares(lab)).toContain('- b4 running');
    heard(await callHook(lab, 'session-end', { reason: 'other' }));
    expect(shares(lab)).toEqual([]);
  });
});

describe('a client that lies, floods or breaks off', () => {
  const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  const forged =
    '"}]}\n{"version":1,"leases":[{"id":"forged"}]}\n\u001b]0;x\u0007../../../etc/passwd $(touch owned) `id`';
  const hostile: [string, HookWord, string | object][] = [
    ['nothing', 'pre-tool-use', ''],
    ['half a document', 'subagent-stop', '{"session_id":"'],
    ['no object', 'stop', '[]'],
    ['a document of another event', 'subagent-start', { hook_event_name: 'Stop' }],
    ['an array as deep as a stack', 'pre-tool-use', `{"session_id":"${SESSION}","tool_name":"Agent","tool_input":${nested(200_000)}}`],
    ['10 MB of prompt', 'pre-tool-use', asks('T1', { tool_input: { prompt: 'x'.repeat(10 * 1024 ** 2) } })],
    ['10 MB of answer', 'post-tool-use', asks('T1', { tool_response: { status: 'completed', content: 'é\u2028'.repeat(2_500_000) } })],
    ['a path for a session', 'session-end', { session_id: '../../../tmp' }],
    ['lines in every field', 'pre-tool-use', asks('T2', { agent_id: forged, tool_input: { prompt: forged, subagent_type: forged, description: forged } })],
    ['a call that is a path', 'pre-tool-use', asks('../../x')],
    ['keys of the language', 'pre-tool-use', `{"__proto__":{"session_id":"x"},"constructor":1,"session_id":"${SESSION}","tool_name":"__proto__"}`],
    ['a task list of junk', 'stop', { background_tasks: [null, 1, { id: forged }, { id: {}, type: [] }] }],
  ]; // prettier-ignore

  it('hears its own JSON or nothing, changes nothing but its shares, and leaves none of its words behind', async () => {
    const lab = makeLab();
    const ended = await Promise.all(hostile.map(([, word, input]) => callHook(lab, word, input)));
    for (const [at, one] of ended.entries()) {
      const [what, word] = hostile[at]!;
      const answer = heard(one);
      expect([what, answer.decision]).toEqual([what, undefined]);
      expect(JSON.stringify(answer)).not.toMatch(/ at .*:\d+:\d+|passwd|forged/);
      if (word !== 'pre-tool-use') expect([what, answer]).toEqual([what, {}]);
    }
    const text = readFileSync(join(lab.state, 'ledger.json'), 'utf8');
    expect(text).not.toMatch(/forged|passwd|touch|xxx/);
    expect(shares(lab).every((share) => /^T[12] - starting$/.test(share))).toBe(true);
    expect(readdirSync(lab.project).sort()).toEqual(['.claude-pm']);
  });
});

describe('a gate that cannot do its work', () => {
  const damage = (lab: Lab): void => writeFileSync(join(lab.state, 'ledger.json'), '{"version":1,');

  it.each<[string, string, HookWord, object]>([
    ['lets a call through and says so', '', 'pre-tool-use', { notice: expect.stringMatching(/ledger\.json is damaged.*let through/) as string }],
    ['blocks it where the settings say so', 'gate:\n  on_failure: block\n', 'pre-tool-use', { decision: 'deny', reason: expect.stringMatching(/gate\.on_failure is block/) as string }],
    ['says nothing of what it is only told', 'gate:\n  on_failure: block\n', 'subagent-stop', {}],
  ])('%s', async (_what, settings, word, answer) => {
    const lab = labWith(settings);
    heard(await callHook(lab, 'pre-tool-use', asks('T1')));
    damage(lab);
    expect(heard(await callHook(lab, word, { ...asks('T2'), agent_id: AGENT }))).toEqual(answer);
  }); // prettier-ignore

  it('follows a change of the settings at the next call, and goes by those before it where new ones have a fault', async () => {
    const lab = labWith('memory_management:\n  max_concurrent_agents: 1\n');
    heard(await callHook(lab, 'pre-tool-use', asks('T1')));
    lab.write('.claude-pm.yaml', 'memory_management:\n  max_concurrent_agents: 2  # more\n');
    expect(heard(await callHook(lab, 'pre-tool-use', asks('T2')))).toEqual({});
    lab.write('.claude-pm.yaml', 'memory_management:\n  max_concurrent_agents: many\n');
    expect(heard(await callHook(lab, 'pre-tool-use', asks('T3'))).reason).toMatch(/2 of 2 agents running/);
    expect(heard(await callHook(lab, 'session-start', {})).context).toMatch(
      /have a fault.*max_concurrent_agents/,
    );
    lab.write('.claude-pm.yaml', '');
    const env = { CLAUDE_PM_MEMORY_MANAGEMENT_MAX_CONCURRENT_AGENTS: '3' };
    expect(heard(await callHook(lab, 'pre-tool-use', asks('T3'), { env }))).toEqual({});
  });
});

describe('heavy commands of a shell while memory is critical', () => {
  const critical = 'admission:\n  floor_mb: 1048576\ngate:\n  bash: ';
  const shell = (command: string): object => ({
    tool_name: 'Bash',
    tool_use_id: 'T1',
    tool_input: { command },
  });

  it('are refused or advised against as the settings say, and others never', async () => {
    const lab = labWith(`${critical}refuse\n`);
    expect(heard(await callHook(lab, 'pre-tool-use', shell('cd web && npm test')))).toEqual({
      decision: 'deny',
      reason: expect.stringMatching(/Memory is critical .*`npm test` is a heavy command/) as string,
    });
    expect(heard(await callHook(lab, 'pre-tool-use', shell('echo npm test')))).toEqual({});
    lab.write('.claude-pm.yaml', `${critical}advise\n  heavy: [./build.sh]\n`);
    expect(heard(await callHook(lab, 'pre-tool-use', shell('npm test')))).toEqual({});
    expect(heard(await callHook(lab, 'pre-tool-use', shell('./build.sh all'))).context).toMatch(
      /run a part of it/,
    );
  });

  it('run with few jobs from the beginning of the session where the settings say so', async () => {
    const lab = labWith('gate:\n  tool_jobs: 2\n');
    const file = lab.write('env.sh', 'export OTHERS=1\n');
    heard(await callHook(lab, 'session-start', {}, { env: { CLAUDE_ENV_FILE: file } }));
    const once = lab.read('env.sh');
    heard(await callHook(lab, 'session-start', {}, { env: { CLAUDE_ENV_FILE: file } }));
    expect(lab.read('env.sh')).toBe(once);
    expect(lab.shell('sh', `. ${file}; echo $OTHERS $CARGO_BUILD_JOBS $VITEST_MAX_WORKERS`).stdout).toBe(
      '1 2 2\n',
    );
  });
});
