/** `memory-env reset`: shell code for eval that takes our variables back and restores NODE_OPTIONS as it was. */
import { chooseShell, userOptionsOf } from '../../act/prepare.ts';
import { EXIT } from '../../failure.ts';
import { flagText, type Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { resetCode } from '../../policy/environment.ts';

/** Needs no settings: what was set is told by the variables themselves, even where the settings are damaged by now. */
export function run(call: Call): Answer | number {
  const shell = chooseShell(flagText(call, 'shell'), call.env);

  const restored = userOptionsOf(call.env);

  if (call.json) return { exitCode: EXIT.ok, json: { nodeOptions: restored }, lines: [] };
  call.out(resetCode(restored, shell));
  return EXIT.ok;
}
