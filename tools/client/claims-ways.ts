/** What must hold in a real client of the other ways to the gate: the plugin, and the agent that comes with both? */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AGENT_PROGRAMS } from '../../lib/policy/agent-programs.ts';
import { agent, agentsSeen, threeOfEight, until, working, type Test } from './claims.ts';
import { scripted, toolResults, type Piece } from './messages-api.ts';
import { ROOT } from './scene.ts';

/** A command of the client's shell. */
function shell(command: string): Piece {
  return { tool: 'Bash', input: { command, description: 'a step' } };
}

/** The shipped entry for this client as the kind of one stream. */
function streamOf(client: string, prompt: string): object {
  const shipped = AGENT_PROGRAMS.find(({ name }) => name === 'claude');
  if (shipped?.resume === undefined) throw new Error('there is no shipped entry for claude');
  // What it may do is the user's to add.
  const words = (command: readonly string[]): string[] => [
    client,
    ...command.slice(1),
    '--dangerously-skip-permissions',
  ];
  return {
    agents: {
      claude: {
        command: words(shipped.command),
        resume_command: words(shipped.resume),
        transcript: shipped.transcript,
        env: { ...shipped.env },
      },
    },
    streams: [{ id: 'A', issue: 1, kind: 'claude', prompt, memory: '300MB' }],
  };
}

export const WAYS: readonly Test[] = [
  {
    name: 'headless',
    run: async (scene, claim) => {
      const wait = shell('tail -f /dev/null');
      const prompt = scripted([[wait], ['gone on to the end']]);
      const { agents, streams } = streamOf(scene.client, prompt) as Record<string, unknown>;
      const file = join(scene.project, 'streams.json');
      writeFileSync(file, JSON.stringify({ streams }));
      const kept = join(scene.project, '.claude-pm.yaml');
      writeFileSync(kept, `${readFileSync(kept, 'utf8')}\nagents: ${JSON.stringify(agents)}\n`);
      scene.watch();
      const words = ['shop', 'run', '--streams', file, '--json', '--set', 'retry.backoff=0.1'];
      const run = scene.runs('coordination-memory', words);
      // Its shell has begun: its answer is the next request.
      await until(() => scene.requests().length > 0 && scene.leases().some(({ state }) => state === 'running'), 'a client'); // prettier-ignore
      await sleep(3000);
      const owner = scene.leases().find(({ key }) => key === 'shop/1/A')?.owner;
      if (owner === undefined) throw new Error('the client has no share');
      process.kill(owner.pid, 'SIGKILL');
      const { code, text } = await run;
      claim('the run ends well after its client was killed', { code, text: text.slice(-600) }, code === 0);
      const last = JSON.stringify(scene.requests().at(-1)?.body.messages ?? []);
      claim('the second attempt goes on with the session of the first', last.slice(-600), last.includes('go on') && last.includes('tail -f /dev/null')); // prettier-ignore
      claim('the run tells of a second attempt', text.slice(-600), /"attempt":2/.test(text));
      claim('all shares are back', scene.leases(), scene.leases().length === 0);
    },
  },
  {
    name: 'plugin',
    run: async (scene, claim) => {
      const { code, text } = scene.ask(['plugin', 'validate', ROOT]);
      claim('the client accepts it', { code, text }, code === 0 && text.includes('Validation passed'));
      scene.ours('coordinator-setup', ['uninstall', scene.project]);
      await threeOfEight(scene, claim, { run_in_background: false }, ['--plugin-dir', ROOT]);
    },
  },
  {
    name: 'parallel-worker',
    run: async (scene, claim) => {
      const watch = scene.watch();
      const script = '.claude/scripts/pm/coordination-memory.sh shop';
      const worker = agent(
        [
          [shell(`${script} cleanup && ${script} assess 3`)],
          [agent(working, { run_in_background: false }), agent(working, { run_in_background: false })],
          [shell(`.claude/scripts/pm/memory-monitor.sh stats --since 1h && ${script} cleanup`)],
          ['both done'],
        ],
        { subagent_type: 'parallel-worker', run_in_background: false },
      );
      const { code } = await scene.start([[worker], ['end']]).ended;
      const ran = agentsSeen(scene).size;
      claim('it and its two agents ran', { code, ran }, code === 0 && ran === 3);
      const results = [...agentsSeen(scene)].flatMap((id) => toolResults(scene.requests(), id));
      const assessed = results.find((text) => text.includes('spawn_capacity:'));
      claim(
        'it reads how many may start beside it',
        assessed,
        assessed?.includes('spawn_capacity:2') === true,
      );
      const told = results.some((text) => text.includes('claude/'));
      claim('it reads what they took', results, told);
      const most = watch.most();
      claim('never more than three shares were held', most, most === 3);
      claim('all shares are back', scene.leases(), scene.leases().length === 0);
    },
  },
];
