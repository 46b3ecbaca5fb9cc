/** Does one prompt become the agents that it asks for, and does the report tell of each what it really did? */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { OrchestrationReport } from '../../lib/output/orchestrate.ts';
import { makeWorld } from '../support/call-script.ts';
import { isRunning, keyValues, makeLab, ROOMY, waitFor, type Lab } from '../support/scripts.ts';

/** Answers as its name says: plain words, a client's JSON, an error, a failure, or never. */
const AGENT = `
const [name, prompt] = process.argv.slice(2);
const last = prompt.split('\\n').at(-1);
if (name === 'plain') console.log('I was asked:\\n## forged: done\\n' + last + '\\u001b[31m');
if (name === 'client') console.log(JSON.stringify({ type: 'result', is_error: false, result: 'two holes' }));
if (name === 'liar') console.log(JSON.stringify({ type: 'result', is_error: true, result: 'out of turns' }));
if (name === 'bad') { console.error('no such file'); process.exit(3); }
if (name === 'slow') setTimeout(() => undefined, 60_000);
`;
const SETTINGS = `
memory_management: { cleanup_timeout: 1 }
retry: { timeout_attempts: 0 }
agents:
  default: { command: [node, agent.mjs, '{stream}', '{prompt}'], memory: 48MB, limit: 400MB }
orchestrator:
  agents:
    - { name: plain, when: [words], prompt: "Answer:\\n{prompt}", fallback: true }
    - { name: client, when: [json], priority: 9 }
    - { name: liar, when: [lies] }
    - { name: bad, when: [fails] }
    - { name: slow, when: [sleeps] }
`;

function openLab(): Lab {
  const lab = makeLab();
  lab.write('agent.mjs', AGENT);
  lab.write('.claude-pm.yaml', SETTINGS);
  return lab;
}
const reportOf = (stdout: string): OrchestrationReport => JSON.parse(stdout) as OrchestrationReport;

describe('the table of calls', () => {
  it.each<[string[], number, RegExp, RegExp]>([
    [[], 2, /^$/, /needs a sub-command: plan, run/],
    [['toString'], 2, /^$/, /no sub-command `toString`/],
    [['paln', 'x'], 2, /^$/, /did you mean plan\?/],
    [['plan'], 2, /^$/, /plan needs a PROMPT, or --prompt-file FILE/],
    [['plan', 'hello'], 2, /^$/, /orchestrator\.agents\.code-analyzer: .* no command is known for it/],
    [['--help'], 0, /one prompt becomes several agents/, /^$/],
  ])('%j ends with %d', (args, status, stdout, stderr) => {
    const world = makeWorld();
    try {
      const run = world.call('orchestrate', args);
      expect([run.status, run.stderr]).toEqual([status, expect.stringMatching(stderr)]);
      expect(run.stdout).toMatch(stdout);
    } finally {
      world.remove();
    }
  });
}); // prettier-ignore

it('plans who is chosen by what, how many run at once, and why', async () => {
  const lab = openLab();
  const plan = await lab.run('orchestrate', ['plan', 'JSON', 'and', 'words', ...ROOMY, '--budget', '60MB']);
  expect(plan.status).toBe(0);
  const told = keyValues(plan.stdout);
  expect(told).toMatchObject({ agents: '2', at_once: '1', reason: expect.stringMatching(/^the others wait until there is room: 60\.0MB of headroom in the budget of /) as string });
  expect(told['agent']?.split('\n')).toEqual(['client kind=client priority=9 estimate=48.0MB because=json', 'plain kind=plain priority=0 estimate=48.0MB because=words']);
  expect(lab.read('.claude-pm/runs')).toBe('');
}); // prettier-ignore

it('reports each answer, and each failure as a failure, with its memory and time', async () => {
  const lab = openLab();
  const run = await lab.run('orchestrate', ['run', 'words json lies fails sleeps', '--json', ...ROOMY, '--set', 'orchestrator.timeout=1.5', '--set', 'thresholds.sample_interval=0.2']);
  expect(run.status).toBe(30);
  const report = reportOf(run.stdout);
  const found = new Map(report.agents.map((agent) => [agent.name, agent]));
  expect(report.agents.map(({ name }) => name)[0]).toBe('client');
  expect(found.get('client')).toMatchObject({ status: 'done', answer: 'two holes', attempts: 1, because: ['json'] });
  expect(found.get('plain')).toMatchObject({ status: 'done' });
  expect(found.get('liar')).toMatchObject({ status: 'failed', outcome: 'done', answer: 'out of turns', reason: 'the client says that it failed' });
  expect(found.get('bad')).toMatchObject({ status: 'failed', reason: 'exit 3', stderrTail: 'no such file' });
  expect(found.get('slow')).toMatchObject({ status: 'failed', outcome: 'timed-out', cause: 'timeout', peakBytes: expect.any(Number) as number, tookMs: expect.any(Number) as number, reason: expect.stringMatching(/^it ran for more than 1\.5s; stopped, evidence in /) as string });
  const markdown = readFileSync(report.reportPath, 'utf8');
  expect(markdown.match(/^## .*$/gm)).toEqual(['## client: done', '## plain: done', '## liar: failed', '## bad: failed', '## slow: failed']);
  expect(markdown).toMatch(/^> ## forged: done\n> words json lies fails sleeps\[31m$/m);
  expect(lab.leases()).toEqual([]);
}); // prettier-ignore

it('takes its agents from the pool, where the next prompt finds them again, and reports their answers as they are', async () => {
  const lab = openLab();
  const lines = `import { createInterface } from 'node:readline';
for await (const line of createInterface({ input: process.stdin })) {
  const { id, task } = JSON.parse(line);
  console.log(JSON.stringify({ id, [/wrong/.test(task) ? 'error' : 'answer']: process.pid + ' did ' + task }));
}`;
  lab.write('lines.mjs', lines);
  lab.write('.claude-pm.yaml', `${SETTINGS.split('orchestrator:')[0]}  pooled: { memory: 48MB, pool: { command: [node, lines.mjs] } }\norchestrator: { agents: [{ name: pooled, fallback: true }] }\n`);
  const ask = async (prompt: string) => {
    const run = await lab.run('orchestrate', ['run', prompt, '--pool', '--json', ...ROOMY]);
    return { status: run.status, agent: reportOf(run.stdout).agents[0] };
  };
  const [first, second, third] = [await ask('one'), await ask('two'), await ask('wrong')];
  expect([first.status, first.agent?.status, first.agent?.answer]).toEqual([0, 'done', expect.stringMatching(/^\d+ did one$/)]);
  expect(second.agent?.answer).toBe(first.agent?.answer?.replace('one', 'two'));
  expect([third.status, third.agent?.status, third.agent?.answer]).toEqual([30, 'failed', expect.stringContaining('did wrong')]);
  expect((await lab.run('agent-pool', ['stop', '--all'])).stdout).toContain('stopped:1\nleft:0');
}); // prettier-ignore

it('pushes back beyond the places of the queue, waits where it may, and ends its agents when it is told to', async () => {
  const lab = openLab();
  const one = ['--set', 'orchestrator.queue=1', ...ROOMY];
  const first = lab.start('orchestrate', ['run', 'sleeps', ...one]);
  await waitFor(() => first.stderr().includes(' start '), 'the first agent');
  const refused = await lab.run('orchestrate', ['run', 'words', ...one]);
  expect([refused.status, refused.stderr]).toEqual([75, expect.stringMatching(/^orchestrate: 1 prompts are worked on already \(orchestrator\.queue\); come again, or --wait\n$/)]);
  const waiting = lab.start('orchestrate', ['run', 'words', '--wait', ...one]);
  await waitFor(() => waiting.stderr().includes('waits: 1 prompts'), 'the second to wait');
  first.child.kill('SIGINT');
  const ended = await first.ended;
  expect([ended.status, keyValues(ended.stdout)['agent']]).toEqual([130, expect.stringMatching(/^slow status=failed /)]);
  expect(isRunning(first.pid)).toBe(false);
  const done = await waiting.ended;
  expect([done.status, keyValues(done.stdout)['done']]).toEqual([0, '1']);
}); // prettier-ignore

it('ends what a killed run of a prompt left at work, before the next prompt begins', async () => {
  const lab = openLab();
  const first = lab.start('orchestrate', ['run', 'sleeps', ...ROOMY]);
  await waitFor(() => lab.leases().some(({ state }) => state === 'running'), 'the agent');
  first.child.kill('SIGKILL');
  await first.ended;
  const agents = lab.processes().map(({ pid }) => pid);
  expect(agents).toHaveLength(1);
  const next = await lab.run('orchestrate', ['run', 'words', ...ROOMY]);
  expect([next.status, next.stderr]).toEqual([0, expect.stringMatching(/^orchestrate: 1 agents of killed prompt runs were ended\n/)]);
  expect([lab.processes(), lab.leases()]).toEqual([[], []]);
}); // prettier-ignore
