/** orchestrate plan PROMPT: which agents it becomes, how many run at once, and why. Starts nothing. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { promptPlanAnswer } from '../../output/orchestrate.ts';
import { findPlanFacts } from '../coordination-memory/plan-facts.ts';
import { openContext } from '../context.ts';
import { planPrompt, readPrompt } from './plan-prompt.ts';

/** Exit 0; 30 where one of them can never fit. */
export async function run(call: Call): Promise<Answer> {
  const prompt = readPrompt(call);
  const context = await openContext(call);

  const { chosen, paths, plan } = await planPrompt(call, context, prompt);
  const facts = findPlanFacts(context, paths, plan);

  const isImpossible = plan.planned.some(({ impossible }) => impossible !== undefined);
  return promptPlanAnswer(chosen, facts, isImpossible ? EXIT.critical : EXIT.ok);
}
