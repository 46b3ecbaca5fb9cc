/** `memory-env coordinator` and `memory-env agent`: shell code for eval, printed only if it holds. */
import { checkPrepared, chooseShell, targetNotes } from '../../act/prepare.ts';
import { EXIT, Failure } from '../../failure.ts';
import { flagText, type Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { setupCode } from '../../policy/environment.ts';
import { openContext } from '../context.ts';
import { prepareRole, talkOf } from './common.ts';

/** Writes nothing but shell code on stdout. @throws Failure where a runtime does not hold the heap that was meant. */
export async function run(call: Call): Promise<Answer | number> {
  const shell = chooseShell(flagText(call, 'shell'), call.env);
  const context = await openContext(call);

  const prepared = await prepareRole(call, context, call.command === 'agent' ? 'agent' : 'coordinator');
  const { fault } = checkPrepared(prepared, call.env);
  if (fault !== undefined) throw new Failure(fault);

  const notes = targetNotes(prepared, context.settings, context.memory);
  const talk = talkOf(context, [prepared], notes);
  const { role, variables, leftOut } = prepared.environment;
  if (call.json) {
    const json = { role, variables: Object.fromEntries(variables), leftOut, notes };
    return { exitCode: EXIT.ok, json, lines: [], talk };
  }
  call.out(setupCode(prepared.environment, shell));
  for (const line of talk) call.err(line);
  return EXIT.ok;
}
