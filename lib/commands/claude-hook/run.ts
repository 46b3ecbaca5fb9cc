/** `claude-hook EVENT`: the same answer as the bundled hook's, for people who try it by hand. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import { answerHook, isHookWord } from './answer.ts';

/** Reads the event from stdin and writes what the client would hear. */
export async function run(call: Call): Promise<number> {
  const env = { ...call.env, CLAUDE_PROJECT_DIR: call.env['CLAUDE_PROJECT_DIR'] ?? call.projectDir };
  if (isHookWord(call.command)) await answerHook(call.command, env, call.flags['block'] === true);
  return EXIT.ok;
}
