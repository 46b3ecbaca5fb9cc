/** What must hold in a real client, each claim in a scene of its own? */
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { toolResults, scripted, type Piece, type Script } from './messages-api.ts';
import type { Scene } from './scene.ts';

export interface Test {
  readonly name: string;
  readonly run: (scene: Scene, claim: Claim) => Promise<void>;
}

export type Claim = (what: string, found: unknown, isSo: boolean) => void;

/** A call that starts a sub-agent whose own turns are scripted. */
export function agent(script: Script, more: Readonly<Record<string, unknown>> = {}): Piece {
  const input = {
    description: 'a part',
    prompt: `Go. ${scripted(script)}`,
    subagent_type: 'general-purpose',
    ...more,
  };
  return { tool: 'Agent', input };
}

export const working: Script = [[{ pauseMs: 3000 }, 'part done']];
const eight = (more: Readonly<Record<string, unknown>>): Piece[] =>
  Array.from({ length: 8 }, () => agent(working, more));

/** Three of eight run, five hear why not, nothing is left. */
export async function threeOfEight(
  scene: Scene,
  claim: Claim,
  more: Readonly<Record<string, unknown>>,
  words: readonly string[] = [],
): Promise<void> {
  const watch = scene.watch();
  const { code, result } = await scene.start([eight(more), ['all finished']], words).ended;
  const ran = agentsSeen(scene).size;
  claim(
    'the session ends well',
    { code, result: result?.['result'] },
    code === 0 && result?.['is_error'] === false,
  );
  claim('exactly three agents ran', ran, ran === 3);
  const refusals = toolResults(scene.requests()).filter((text) => text.includes('Memory gate: '));
  claim('five were refused with the reason before the model', refusals, refusals.length === 5);
  const clear = refusals.filter((text) =>
    /short: 256\.0MB needed.*3 of 8 agents running.*Run the rest after one of them has ended/.test(text),
  );
  claim('the reason says what is missing and what to do', refusals, clear.length === 5);
  const most = watch.most();
  claim('never more than three shares were held', most, most === 3);
  claim('all shares are back', scene.leases(), scene.leases().length === 0);
}

export function agentsSeen(scene: Scene): Set<string> {
  return new Set(scene.requests().flatMap((request) => request.agent ?? []));
}

export async function until(isSo: () => boolean, what: string): Promise<void> {
  for (let left = 1500; left > 0; left -= 1) {
    if (isSo()) return;
    await sleep(20);
  }
  throw new Error(`waited in vain for ${what}`);
}

export const CLAIMS: readonly Test[] = [
  { name: 'foreground', run: (scene, claim) => threeOfEight(scene, claim, { run_in_background: false }) },
  { name: 'background', run: (scene, claim) => threeOfEight(scene, claim, { run_in_background: true }) },
  {
    name: 'nested',
    run: async (scene, claim) => {
      const watch = scene.watch();
      const inner = Array.from({ length: 4 }, () => agent(working, { run_in_background: false }));
      const { code } = await scene.start([
        [agent([inner, ['outer done']], { run_in_background: false })],
        ['end'],
      ]).ended;
      const ran = agentsSeen(scene).size;
      claim('the outer and two of four inner ones ran', { code, ran }, code === 0 && ran === 3);
      const most = watch.most();
      claim('never more than three shares were held', most, most === 3);
      claim('all shares are back', scene.leases(), scene.leases().length === 0);
    },
  },
  {
    name: 'workflow',
    run: async (scene, claim) => {
      const watch = scene.watch();
      const script = `export const meta = { name: 'trial', description: 'a trial' }
await agent('first ${scripted([[{ pauseMs: 500 }, 'one']])}')
await parallel([1, 2, 3].map((n) => () => agent('part ' + n + ' ${scripted([[{ pauseMs: 1500 }, 'more']])}')))
return 'done'`;
      const { code } = await scene.start([[{ tool: 'Workflow', input: { script } }], ['started']]).ended;
      const ran = agentsSeen(scene).size;
      claim('all four of its agents ran', { code, ran }, code === 0 && ran === 4);
      const most = watch.most();
      claim('never more than three shares were held', most, most >= 1 && most <= 3);
      claim('all shares are back', scene.leases(), scene.leases().length === 0);
    },
  },
  {
    name: 'kill -9',
    run: async (scene, claim) => {
      const long: Script = [[{ pauseMs: 60_000 }, 'never']];
      const session = scene.start([Array.from({ length: 3 }, () => agent(long)), ['started']]);
      await until(() => scene.leases().length === 3, 'three shares');
      session.child.kill('SIGKILL');
      const { signal } = await session.ended;
      const assessed = scene.ours('coordination-memory', ['shop', 'assess']);
      claim(
        'a dead client holds nothing',
        { signal, assessed },
        signal === 'SIGKILL' && assessed.includes('running_agents:0'),
      );
      scene.watch();
      await scene.start([[agent(working, { run_in_background: false })], ['end']]).ended;
      claim('the next session starts at once', agentsSeen(scene).size, agentsSeen(scene).size === 1);
      claim('all shares are back', scene.leases(), scene.leases().length === 0);
    },
  },
  {
    name: 'max turns',
    run: async (scene, claim) => {
      const bash: Piece = { tool: 'Bash', input: { command: 'true', description: 'nothing' } };
      const kinds = { limited: { description: 'few turns', prompt: 'You do as you are told.', maxTurns: 2 } };
      const call = agent([[bash], [bash], [bash], ['never said']], {
        subagent_type: 'limited',
        run_in_background: false,
      });
      const three = [[call], [call], [call], [call], [call], ['end']];
      scene.watch();
      const { code } = await scene.start(three, ['--agents', JSON.stringify(kinds)]).ended;
      const ran = agentsSeen(scene).size;
      claim('five ran one after another, each with two turns', { code, ran }, code === 0 && ran === 5);
      claim('all shares are back', scene.leases(), scene.leases().length === 0);
    },
  },
  {
    name: 'woken again',
    run: async (scene, claim) => {
      const watch = scene.watch();
      const message: Piece = {
        tool: 'SendMessage',
        input: { to: '$AGENT', message: 'One more thing.', summary: 'more' },
      };
      const first = agent([['first answer'], [{ pauseMs: 1000 }, 'second answer']], {
        run_in_background: false,
      });
      const { code } = await scene.start([[first], [message], ['end']]).ended;
      const answers = scene.requests().filter((request) => request.agent !== undefined).length;
      claim(
        'the same agent answered twice',
        { code, answers },
        code === 0 && answers === 2 && agentsSeen(scene).size === 1,
      );
      const most = watch.most();
      claim('it held one share at a time', most, most === 1);
      claim('all shares are back', scene.leases(), scene.leases().length === 0);
    },
  },
  {
    name: 'deferred and resumed',
    run: async (scene, claim) => {
      scene.ours('coordination-memory', [
        'shop',
        'spawn',
        '1/A',
        '--memory',
        '800MB',
        '--pid',
        String(process.pid),
      ]);
      const words = ['--settings', '{}'];
      deferring(scene);
      const id = '11111111-2222-4333-8444-555555555555';
      scene.watch();
      const first = await scene.start(
        [[agent(working, { run_in_background: false })], ['end']],
        [...words, '--session-id', id],
      ).ended;
      claim(
        'the session ends with its call deferred',
        first,
        first.code === 0 && first.result?.['terminal_reason'] === 'tool_deferred',
      );
      claim('no agent ran meanwhile', agentsSeen(scene).size, agentsSeen(scene).size === 0);
      scene.ours('coordination-memory', ['shop', 'complete', '1/A']);
      const second = await scene.resume(id).ended;
      const ran = agentsSeen(scene).size;
      claim('resumed, the call goes through', { code: second.code, ran }, second.code === 0 && ran === 1);
      claim('all shares are back', scene.leases(), scene.leases().length === 0);
    },
  },
  {
    name: 'resumed after a kill',
    run: async (scene, claim) => {
      const id = '11111111-2222-4333-8444-666666666666';
      const long: Script = [[{ pauseMs: 60_000 }, 'never']];
      const session = scene.start(
        [[agent(long, { run_in_background: false })], ['end']],
        ['--session-id', id],
      );
      await until(() => scene.leases().some(({ state }) => state === 'running'), 'an agent');
      session.child.kill('SIGKILL');
      await session.ended;
      scene.watch();
      const again = scripted([[agent(working, { run_in_background: false })], ['gone on']]);
      const { code, result } = await scene.resume(id, [again]).ended;
      claim(
        'the session goes on',
        { code, result: result?.['result'] },
        code === 0 && result?.['result'] === 'gone on',
      );
      claim('its agent ran', agentsSeen(scene).size, agentsSeen(scene).size === 1);
      claim('all shares are back', scene.leases(), scene.leases().length === 0);
    },
  },
];

/** What does not fit is deferred instead of refused. */
function deferring(scene: Scene): void {
  const path = `${scene.project}/.claude-pm.yaml`;
  spawnSync('sed', ['-i', 's/^gate:$/gate:\\n  when_full: defer/', path]);
  scene.ours('coordinator-setup', ['install', scene.project]);
}
