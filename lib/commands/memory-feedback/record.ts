/** memory-feedback record [FILE]: imports others' figures under a label of their own; ours are measured, never told. */
import { EXIT, Failure } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { appendHistory, tidyHistory } from '../../state/history.ts';
import { openContext } from '../context.ts';
import { labelFlag } from '../past.ts';
import { readTrace } from './trace.ts';

/** Attempts appended by one write. */
const BLOCK = 1000;

/** Exit 0 with how many were recorded. @throws Failure without --label, and for what is no trace. */
export async function run(call: Call): Promise<Answer> {
  const label = labelFlag(call);
  if (label === undefined)
    throw new Failure(
      'record imports figures that somebody else measured, under a name of their own: --label NAME; what runs here is measured and recorded by itself',
    );
  const context = await openContext(call);
  const stateDir = context.stateDir();

  const { attempts, form, skipped } = await readTrace(call.args[0] ?? '-', label);

  for (let at = 0; at < attempts.length; at += BLOCK) {
    appendHistory(stateDir, attempts.slice(at, at + BLOCK));
    tidyHistory(stateDir, context.liveness());
  }
  return {
    exitCode: EXIT.ok,
    json: { recorded: attempts.length, skipped, label, form },
    lines: [
      ['recorded', attempts.length],
      ['skipped_lines', skipped],
      ['label', label],
      ['form', form],
    ],
    talk: context.warnings,
  };
}
