/** orchestrate run PROMPT: several agents work on it within the machine's memory, and one report tells what each answered. */
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { reportAnswer, reportMarkdown } from '../../output/orchestrate.ts';
import { openContext } from '../context.ts';
import { orchestrate } from './orchestrate.ts';
import { readPrompt } from './plan-prompt.ts';

/** Exit 0 where every agent is done, 30 where one is not, 75 where the queue is full; what happens meanwhile goes to stderr. */
export async function run(call: Call): Promise<Answer | number> {
  const prompt = readPrompt(call);
  const context = await openContext(call);
  for (const line of context.warnings) call.err(line);

  // stdout is the report's.
  const quiet: Call = { ...call, json: false, out: (text) => call.err(text.replace(/\n$/, '')) };
  const report = await orchestrate(quiet, context, prompt, { wait: call.flags['wait'] === true });

  if (call.json || call.flags['markdown'] !== true) return reportAnswer(report);
  call.out(reportMarkdown(report));
  return report.exitCode;
}
