/** `coordinator-setup create-startup`: a script that starts the coordinator, and the lines for a profile and for cron. */
import { join, resolve } from 'node:path';
import { judgeSeal } from '../../act/seal.ts';
import { STARTUP_NAME, cronLine, profileLine, startupScript } from '../../act/startup-script.ts';
import { EXIT } from '../../failure.ts';
import { readText, replaceFile } from '../../files.ts';
import { flagText, type Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';

const EXECUTABLE_MODE = 0o755;

/** Answers with the script's path and the two lines; 2 where a file of somebody else's is in the way. */
export function run(call: Call): Answer {
  const { projectDir } = call;
  const path = join(resolve(flagText(call, 'dir') ?? projectDir), STARTUP_NAME);

  const text = startupScript(projectDir);
  const before = readText(path);
  const isOthers = before !== undefined && before !== text && judgeSeal(before) !== 'unchanged';
  const refused = isOthers && call.flags['force'] !== true;
  const state = refused
    ? 'not-ours'
    : before === undefined
      ? 'created'
      : before === text
        ? 'kept'
        : 'updated';

  if (!refused && before !== text) replaceFile(path, text, { mode: EXECUTABLE_MODE });

  const profile = profileLine(projectDir);
  const cron = cronLine(projectDir, call.env['CLAUDE_PM_STATE_DIR'] || undefined);
  return {
    exitCode: refused ? EXIT.mend : EXIT.ok,
    json: { path, state, profile, cron },
    lines: [
      ['startup_script', path],
      ['startup_script_state', state],
      ['profile_line', profile],
      ['cron_line', cron],
    ],
    talk: refused
      ? [`${path} was edited or made by somebody else and stays as it is; --force writes over it`]
      : [],
  };
}
