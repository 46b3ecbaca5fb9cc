/** memory-feedback recommend [EPIC]: which figures should kinds of agents have, on what evidence? */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import { recommendAnswer } from '../../output/feedback.ts';
import type { Answer } from '../../output/answer.ts';
import { historyKind } from '../../policy/past-index.ts';
import { toolName } from '../../policy/tool-name.ts';
import { COMMAND_KIND } from '../../state/drafts.ts';
import { projectPaths } from '../../state/paths.ts';
import { loadStreams } from '../../state/streams.ts';
import { kindOf } from '../coordination-memory/plan-streams.ts';
import { openFeedback, recommendFor, type Feedback } from './common.ts';

/** Exit 0, also where nothing is known yet. */
export async function run(call: Call): Promise<Answer> {
  const feedback = await openFeedback(call);
  const [epic] = call.args;
  const kinds = epic === undefined ? undefined : await kindsOf(feedback, epic);

  const recommendations = recommendFor(feedback, kinds);

  return {
    exitCode: EXIT.ok,
    ...recommendAnswer(recommendations, feedback.index.total),
    talk: feedback.talk,
  };
}

/** The kinds of an epic's streams. @throws Failure for an unknown epic. */
async function kindsOf({ context }: Feedback, epic: string): Promise<string[]> {
  const { epic: checked } = projectPaths(context.projectDir, epic);
  const source = { from: 'epic' } as const;
  const { streams } = await loadStreams({ projectDir: context.projectDir, epic: checked, source });
  const kinds = streams.map((stream) => {
    const words = stream.command ?? kindOf(stream, context.settings)?.command ?? [];
    return historyKind(stream.kind, toolName(words), COMMAND_KIND);
  });
  return [...new Set(kinds)];
}
