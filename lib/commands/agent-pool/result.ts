/** agent-pool result TASK: the answer to a task that was named or detached, once it is there. */
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, Failure } from '../../failure.ts';
import { flagDuration, type Call } from '../../flags.ts';
import { checkName } from '../../names.ts';
import type { Answer } from '../../output/answer.ts';
import { rawText } from '../../output/pool.ts';
import { readAnswer } from '../../state/pool-answers.ts';
import { openPool } from './pool.ts';
import { settlePool } from './settle.ts';

const LOOK_MS = 100;

/** Exit 0 with the answer, 30 for one that says it failed, 75 while it is at work (after `--wait`) or where its agent died, 2 for an unknown task. */
export async function run(call: Call): Promise<Answer | number> {
  const id = checkName('task', call.args[0] ?? '');
  const pool = await openPool(call);
  const deadlineMs = Date.now() + (flagDuration(call, 'wait') ?? 0);

  for (;;) {
    await settlePool(pool, 'due');
    const isAtWork = pool.load().agents.some(({ task }) => task?.id === id);
    const kept = isAtWork ? undefined : readAnswer(pool.stateDir, id, pool.say);
    if (kept) {
      const { answer, agent, reason } = kept;
      if (call.flags['raw'] === true) {
        if (answer) call.out(rawText(answer.text));
        else call.err(`${id} is lost: ${reason ?? 'its agent ended'}`);
        return answer === undefined ? EXIT.later : answer.ok ? EXIT.ok : EXIT.critical;
      }
      const outcome = answer === undefined ? 'lost' : answer.ok ? 'answered' : 'failed';
      return {
        exitCode: answer === undefined ? EXIT.later : answer.ok ? EXIT.ok : EXIT.critical,
        json: kept,
        lines: [
          ['task', id],
          ['outcome', outcome],
          ['agent', agent],
          ['reason', reason],
          ['answer', answer?.text],
        ],
        table: () =>
          answer?.text ?? `${id} is lost: ${reason ?? 'its agent ended'}. It may be submitted again.`,
        talk: pool.context.warnings,
      };
    }
    if (!isAtWork)
      throw new Failure(`no task ${id} is known: answers of tasks with --id or --detach are kept for a day`);
    if (Date.now() >= deadlineMs && call.flags['raw'] === true) {
      call.err(`${id} is at work`);
      return EXIT.later;
    }
    if (Date.now() >= deadlineMs)
      return {
        exitCode: EXIT.later,
        json: { task: id, outcome: 'at-work' },
        lines: [
          ['task', id],
          ['outcome', 'at-work'],
        ],
        table: () => `${id} is at work.`,
        talk: pool.context.warnings,
      };
    await sleep(LOOK_MS);
  }
}
