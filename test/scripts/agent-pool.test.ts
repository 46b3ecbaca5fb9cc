/** Does agent-pool, called as its users call it, give each task to one agent, once, and never somebody else's answer? */
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { PoolState } from '../../lib/pool-model.ts';
import { findGroups } from '../../lib/probe/group-state.ts';
import { MIB } from '../../lib/units.ts';
import { callSource } from '../support/call-script.ts';
import {
  eventsOf,
  isRunning,
  keyValues,
  makeLab,
  streamsFile,
  waitFor,
  type Ended,
  type Lab,
} from '../support/scripts.ts';

/** Room for everything, however small or busy the machine is. */
const ROOM = {
  CLAUDE_PM_ADMISSION_FLOOR_MB: '1',
  CLAUDE_PM_ADMISSION_SAFETY_MB: '0',
  CLAUDE_PM_MEMORY_MANAGEMENT_COORDINATOR_MEMORY_GB: '0',
  CLAUDE_PM_CIRCUIT_BREAKER_AVAILABLE_MB: '0',
};

/** Answers with its pid and the task; `sleep N`, `die`, `fail` and `grow` are what they say. Notes each task before it answers. */
const WORKER = `
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
const kept = [];
for await (const line of createInterface({ input: process.stdin })) {
  const { id, task } = JSON.parse(line);
  appendFileSync('begun', id + '\\n');
  if (task === 'die') process.exit(3);
  if (task === 'grow') kept.push(Buffer.alloc(30e6, 1));
  await sleep(Number(/sleep (\\d+)/.exec(task)?.[1] ?? 0));
  const said = task === 'fail' ? { error: 'no' } : { answer: process.pid + ' ' + task };
  process.stdout.write(JSON.stringify({ id, ...said }) + '\\n');
}`;

function makePool(settings = ''): Lab {
  const lab = makeLab();
  const worker = lab.write('worker.mjs', WORKER);
  lab.write(
    '.claude-pm.yaml',
    `agents:\n  w:\n    memory: 60MB\n    limit: 1GB\n    pool: { command: [${JSON.stringify(process.execPath)}, ${JSON.stringify(worker)}] }\n${settings}`,
  );
  return lab;
}

const call = (lab: Lab, ...args: string[]): Ended => lab.call('agent-pool', args, ROOM);
const start = (lab: Lab, ...args: string[]) => lab.start('agent-pool', args, { env: ROOM });
const valuesOf = (ended: Pick<Ended, 'stdout'>): Record<string, string> => keyValues(ended.stdout);
const pool = (lab: Lab): PoolState =>
  JSON.parse(readFileSync(join(lab.state, 'pool', 'pool.json'), 'utf8')) as PoolState;
const begun = (lab: Lab): string[] => lab.read('begun').split('\n').filter(Boolean);

/** Whether the kernel still has a group of its own for one of these agents. */
function hasGroup(leases: readonly string[]): boolean {
  return findGroups((name) => leases.some((id) => name.includes(id))).length > 0;
}

function expectNothingLeft(lab: Lab): void {
  expect([lab.leases(), lab.processes(), readdirSync(join(lab.state, 'pool', 'agents'))]).toEqual([
    [],
    [],
    [],
  ]);
}

it.each<[string[], number, RegExp, RegExp]>([
  [['toString'], 2, /^$/, /no sub-command `toString`/],
  [['submit', '--kind', 'w', '--detatch', 'x'], 2, /^$/, /did you mean --detach\?/],
  [['submit', 'x'], 2, /^$/, /says of no kind how it is pooled/],
  [['submit', '--kind', 'w', '--id', '../x', 'x'], 2, /^$/, /is no task name/],
  [['submit', '--kind', 'w', 'x'], 2, /^$/, /no agent of kind w is in the pool/],
  [['start', '--kind', 'w', '--protocol', 'json', '--', 'cat'], 2, /^$/, /one of stream-json, lines/],
  [
    ['start', '--kind', 'w', '--', 'sh', '-c', 'echo broken >&2; exit 3'],
    2,
    /^$/,
    /sh ended at once: broken/,
  ],
  [['stop'], 2, /^$/, /needs an AGENT, --kind KIND, or --all/],
  [['release', 'agent-1'], 2, /^$/, /is no agent of the pool/],
])('%j ends with %d', (args, status, stdout, stderr) => {
  const ended = call(makeLab(), ...args);
  expect([ended.status, ended.stderr]).toEqual([status, expect.stringMatching(stderr)]);
  expect(ended.stdout).toMatch(stdout);
});

it('answers the same from its sources', () => {
  const lab = makeLab();
  const answered = callSource(lab, 'agent-pool', ['status']).stdout;
  expect([answered, call(lab, 'status').stdout]).toEqual(Array(2).fill('total_agents:0\nmax_pool_size:4\n'));
});

describe('live agents', () => {
  it('take one task after another, each caller its own answer, and go with all that is theirs', async () => {
    const lab = makePool();
    const first = call(lab, 'submit', '--id', 't1', 'one');
    const leases = pool(lab).agents.map(({ leaseId }) => leaseId);
    expect([first.status, valuesOf(first)['answer']]).toEqual([0, expect.stringMatching(/^\d+ one$/)]);
    const pid = Number(/^\d+/.exec(valuesOf(first)['answer'] ?? '')?.[0]);
    expect(call(lab, 'submit', '--raw', 'two\nlines').stdout).toBe(`${pid} two\nlines\n`);
    const again = call(lab, 'submit', '--id', 't1', 'other words');
    expect(valuesOf(again)).toMatchObject({ earlier: 'true', answer: `${pid} one` });
    expect(valuesOf(call(lab, 'submit', 'fail'))).toMatchObject({ outcome: 'failed', answer: 'no' });

    const held = valuesOf(call(lab, 'request', '--pid', String(process.pid)));
    expect(held).toMatchObject({ decision: 'admit', reused: 'true', pid: String(pid) });
    const id = held['agent'] ?? '';
    expect(call(lab, 'submit', '--wait', '0', '--set', 'pool.size=1', 'x').status).toBe(75);
    expect(call(lab, 'submit', '--agent', id, '--raw', 'mine').stdout).toBe(`${pid} mine\n`);
    expect(valuesOf(call(lab, 'release', id))['released']).toBe('true');

    const detached = valuesOf(call(lab, 'submit', '--detach', 'sleep 50'));
    const late = await lab.run('agent-pool', ['result', '--wait', '20s', '--raw', detached['task'] ?? ''], { env: ROOM });
    expect([late.status, late.stdout]).toEqual([0, `${pid} sleep 50\n`]);

    const died = call(lab, 'submit', '--id', 't2', 'die');
    expect([died.status, valuesOf(died)['outcome']]).toEqual([75, 'died']);
    expect(call(lab, 'result', 't2').status).toBe(75);
    expect([leases.length, hasGroup(leases)]).toEqual([1, false]);
    expect(call(lab, 'submit', '--id', 't2', '--raw', 'done').stdout).toMatch(/^\d+ done\n$/);
    expect(begun(lab).filter((task) => task === 't1')).toEqual(['t1']);
    call(lab, 'stop', '--all');
    expect(call(lab, 'submit', '--retry', '1', 'die').status).toBe(75);
    expect(lab.leases()).toEqual([]);

    // What only waits answers for itself, and holds less of a share than it will need for a task.
    const waits = Number(valuesOf(call(lab, 'start'))['pid']);
    const [lease] = lab.leases();
    expect([lease?.owner?.pid, lease?.runner?.pid, (lease?.estimateBytes ?? Infinity) < 60 * MIB]).toEqual([waits, waits, true]);
    call(lab, 'stop', '--all');
    expectNothingLeft(lab);
  }); // prettier-ignore

  it('tell their caller the answer also where its end cannot be written down, and are freed by the next one', async () => {
    const lab = makePool();
    const path = join(lab.state, 'pool', 'pool.json');
    const caller = start(lab, 'submit', '--raw', 'sleep 700');
    await waitFor(() => begun(lab).length === 1, 'the task at work');
    const before = readFileSync(path, 'utf8');
    writeFileSync(path, '{"version":99}');
    const ended = await caller.ended;
    expect([ended.status, ended.stdout, ended.stderr]).toEqual([0, expect.stringMatching(/^\d+ sleep 700\n$/), expect.stringMatching(/^agent-\w+ is not free yet: /)]);
    writeFileSync(path, before);
    expect(call(lab, 'submit', '--raw', 'next').stdout).toBe(ended.stdout.replace('sleep 700', 'next'));
    expect(call(lab, 'stop', '--all').status).toBe(0);
  }); // prettier-ignore

  it('stop --all leaves no agent and no share either that only the ledger knows', () => {
    const lab = makePool();
    expect([call(lab, 'start').status, lab.leases().length, lab.processes().length]).toEqual([0, 1, 1]);
    rmSync(join(lab.state, 'pool', 'pool.json'));
    expect(call(lab, 'stop', '--all').status).toBe(0);
    expect([lab.leases(), lab.processes()]).toEqual([[], []]);
  });

  it('an agent whose caller is killed in mid-task is ended before the next one gets an answer', async () => {
    const lab = makePool('pool: { size: 1 }\n');
    const caller = start(lab, 'submit', '--id', 'long', 'sleep 60000');
    await waitFor(() => begun(lab).includes('long'), 'the task to begin');
    const { process: agent } = pool(lab).agents[0] ?? {};
    const refused = call(lab, 'submit', '--wait', '0', 'mine');
    expect([refused.status, valuesOf(refused)['outcome']]).toEqual([75, 'no-agent']);
    caller.child.kill('SIGKILL');
    await caller.ended;
    const next = valuesOf(call(lab, 'submit', 'mine'));
    expect(next['answer']).toMatch(/ mine$/);
    expect(next['answer']).not.toMatch(new RegExp(`^${agent?.pid ?? 0} `));
    expect(isRunning(agent?.pid ?? 0, agent?.startTicks)).toBe(false);
    expect(valuesOf(call(lab, 'result', 'long'))).toMatchObject({ outcome: 'lost' });

    const given = start(lab, 'submit', 'sleep 60000');
    await waitFor(() => begun(lab).length === 3, 'the next long task to begin');
    const own = pool(lab).agents.map(({ leaseId }) => leaseId);
    given.child.kill('SIGINT');
    expect((await given.ended).status).toBe(130);
    expect([own.length, hasGroup(own)]).toEqual([1, false]);
    expectNothingLeft(lab);
  });

  it('of callers killed and agents killed at random no task is lost and none is done twice', async () => {
    const lab = makePool();
    const chance = (at: number, of: number): boolean => at % of === of - 1;
    const tasks = Array.from({ length: 10 }, (_, at) => `task-${at}`);
    const answers = new Map<string, Set<string>>();
    await Promise.all(
      [0, 1].map(async (caller) => {
        for (const [at, id] of tasks.entries()) {
          if (at % 2 !== caller) continue;
          for (let attempt = 0; ; attempt += 1) {
            const started = start(lab, 'submit', '--id', id, '--raw', '--retry', '5', `sleep ${20 * (at % 4)}`);
            if (attempt === 0 && chance(at, 3)) {
              await waitFor(() => begun(lab).includes(id) || started.child.exitCode !== null, 'its task to begin');
              started.child.kill('SIGKILL');
            }
            if (attempt === 0 && chance(at, 4)) {
              const victim = pool(lab).agents.find(({ task }) => task?.id !== id)?.process;
              if (victim && isRunning(victim.pid, victim.startTicks)) process.kill(victim.pid, 'SIGKILL');
            }
            const { status, stdout, stderr } = await started.ended;
            if (stdout !== '') answers.set(id, (answers.get(id) ?? new Set()).add(stdout));
            if (status === 0) break;
            expect([null, 75], stderr).toContain(status);
          }
        }
      }),
    );
    expect([...answers.keys()].sort()).toEqual(tasks);
    expect([...answers.values()].map(({ size }) => size)).toEqual(tasks.map(() => 1));
    call(lab, 'stop', '--all');
    expectNothingLeft(lab);
  });

  it('go when they have grown, when their file is damaged, and first under pressure', () => {
    const lab = makePool('pool: { growth_mb: 25 }\n');
    const pids = ['a', 'grow', 'b'].map((task) => /^\d+/.exec(call(lab, 'submit', '--raw', task).stdout)?.[0]);
    expect([pids[1], pids[2] === pids[0]]).toEqual([pids[0], false]);

    writeFileSync(join(lab.state, 'pool', 'pool.json'), '{"version":1,"agents":[{');
    const cleaned = call(lab, 'cleanup');
    expect([cleaned.stderr, valuesOf(cleaned)['stray_agents_ended']]).toEqual([expect.stringContaining('kept as'), '1']);
    expect([lab.leases(), lab.processes()]).toEqual([[], []]);

    call(lab, 'submit', 'c');
    const critical = ['--set', 'pressure.warning=99%', '--set', 'pressure.critical=100%', '--set', 'admission.floor_mb=1048576'];
    const handled = lab.call('memory-pressure', ['handle', ...critical]);
    expect(handled.stdout).toMatch(/^handler:idle-agents done .*1 agents of the pool ended$/m);
    expect([lab.leases(), lab.processes()]).toEqual([[], []]);
  });
}); // prettier-ignore

describe('places', () => {
  it('ids never collide, a full pool refuses with its reason, and the owner’s end gives them back', async () => {
    const lab = makeLab();
    const owner = lab.hold();
    const request = ['request', '--kind', 'own', '--memory', '16MB', '--pid', String(owner.pid)];
    const ended = await Promise.all(Array.from({ length: 6 }, () => start(lab, ...request).ended));
    const given = ended.filter(({ status }) => status === 0);
    expect(new Set(given.map((one) => valuesOf(one)['agent'])).size).toBe(4);
    const refused = ended.filter(({ status }) => status === 75).map((one) => valuesOf(one));
    expect(refused.map(({ decision, limited_by: limit }) => [decision, limit])).toEqual(Array(2).fill(['wait', 'pool.size']));
    expect(refused[0]?.['reason']).toContain('4 of 4 agents');
    expect(call(lab, 'request', '--kind', 'own', '--memory', '900GB', '--set', 'pool.size=9').status).toBe(30);
    owner.kill('SIGKILL');
    await waitFor(() => !isRunning(owner.pid), 'the end of the owner');
    expect(valuesOf(call(lab, 'cleanup'))).toMatchObject({ total_agents: '0' });
    expect(lab.leases()).toEqual([]);
  });
}); // prettier-ignore

describe('run --pool', () => {
  it('a run that is killed leaves its agent to others as soon as it has answered, without the share of its stream', async () => {
    const lab = makePool('pool: { size: 1 }\n');
    const file = streamsFile(lab, [{ id: 'A', issue: 1, kind: 'w', prompt: 'sleep 900' }]);
    const run = lab.start('coordination-memory', ['e', 'run', '--streams', file, '--pool', '--json'], { env: ROOM });
    await waitFor(() => begun(lab).length === 1 && lab.leases().some(({ state }) => state === 'running'), 'the stream at work');
    run.child.kill('SIGKILL');
    await run.ended;
    const [agent] = pool(lab).agents;
    await waitFor(() => readFileSync(join(lab.state, 'pool', 'agents', agent?.id ?? '', 'stdout.log'), 'utf8') !== '', 'its answer');
    expect(valuesOf(call(lab, 'cleanup'))).toMatchObject({ ended: '0', total_agents: '1' });
    expect(lab.leases().map(({ key }) => key)).toEqual([`pool/w/${agent?.id ?? ''}`]);
    expect(call(lab, 'stop', '--all').status).toBe(0);
  }); // prettier-ignore

  it('gives streams of a kind to agents that are reused, with their output and their outcome', async () => {
    const lab = makePool('pool: { size: 2 }\n');
    const file = streamsFile(lab, [
      ...['A', 'B', 'C', 'D'].map((id) => ({ id, issue: 1, kind: 'w', prompt: `sleep 5${id}` })),
      { id: 'E', issue: 1, kind: 'w', prompt: 'fail' },
      // Idle agents of the pool are none that run: it must not wait for a place until they go.
      { id: 'F', issue: 1, command: ['echo', 'alone'], memory: '16MB', depends_on: ['1/A', '1/B', '1/C', '1/D'] },
    ]);
    const two = ['--set', 'memory_management.max_concurrent_agents=2'];
    const run = await lab.run('coordination-memory', ['demo', 'run', '--pool', '--json', '--streams', file, ...two], { env: ROOM });
    expect(run.status).toBe(30);
    const results = eventsOf(run.stdout, 'end').map(({ result }) => [result.key, result.outcome]);
    expect(Object.fromEntries(results)).toEqual({ 'demo/1/A': 'done', 'demo/1/B': 'done', 'demo/1/C': 'done', 'demo/1/D': 'done', 'demo/1/E': 'failed', 'demo/1/F': 'done' });
    const pooled = eventsOf(run.stdout, 'start').filter(({ key }) => key !== 'demo/1/F');
    expect(new Set(pooled.map(({ pid }) => pid)).size).toBe(2);
    expect(lab.read('.claude-pm/runs/demo/1-A/stdout.log')).toMatch(/^\{"id":"demo\/1\/A\.1","answer":"\d+ sleep 5A"\}\n$/);
    expect(pool(lab).agents.map(({ task, kind }) => [task, kind])).toEqual([[undefined, 'w'], [undefined, 'w']]);
    expect(lab.leases().map(({ key }) => key.startsWith('pool/w/'))).toEqual([true, true]);
    // A run that was killed left the share of a stream on which an agent worked: it ends with that run, not with the agent.
    const leases = lab.leases();
    const [idle = expect.fail('there is no lease')] = leases;
    const left = { ...idle, id: 'dead', key: 'demo/1/A', epic: 'demo', runner: idle.owner && { ...idle.owner, startTicks: 1 } };
    writeFileSync(join(lab.state, 'ledger.json'), JSON.stringify({ version: 1, leases: [...leases, left] }));
    call(lab, 'cleanup');
    expect(lab.leases().map(({ key }) => key.startsWith('pool/w/'))).toEqual([true, true]);
    call(lab, 'stop', '--all');
    expectNothingLeft(lab);
    expect(existsSync(join(lab.state, 'pool', 'log.jsonl'))).toBe(true);
  });
}); // prettier-ignore
