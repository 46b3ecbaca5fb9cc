/** What must hold in a real client of the other ways to the gate: the plugin, and the agent that comes with both? */
import { agent, agentsSeen, threeOfEight, working, type Test } from './claims.ts';
import { toolResults, type Piece } from './messages-api.ts';
import { ROOT } from './scene.ts';

/** A command of the client's shell. */
function shell(command: string): Piece {
  return { tool: 'Bash', input: { command, description: 'a step' } };
}

export const WAYS: readonly Test[] = [
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
