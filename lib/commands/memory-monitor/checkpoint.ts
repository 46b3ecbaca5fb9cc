/** memory-monitor checkpoint AGENT [TEXT...]: appends TEXT, or what comes on stdin, to the agent's checkpoint file. */
import { isAbsolute } from 'node:path';
import { EXIT, Failure } from '../../failure.ts';
import { fileFacts } from '../../files.ts';
import { shownWord, type Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { streamCheckpoint } from '../../state/checkpoints.ts';
import { checkpointPath } from '../../state/paths.ts';

/** Loads no settings: an agent's progress is kept even where they are broken. */
export async function run(call: Call): Promise<Answer> {
  const [agent = '', ...text] = call.args;
  const words = [...text, ...call.rest];
  const path = pathFor(call, agent);
  if (words.length === 0 && process.stdin.isTTY)
    throw new Failure('checkpoint reads stdin, and stdin is a terminal: write the text behind the name');

  const pieces = words.length > 0 ? [words.join(' ')] : process.stdin.setEncoding('utf8');
  const bytes = await streamCheckpoint(path, pieces as AsyncIterable<string> | readonly string[]);

  return {
    exitCode: EXIT.ok,
    json: { agent, path, appended_bytes: bytes },
    lines: [
      ['checkpoint', path],
      ['appended_bytes', bytes],
    ],
    table: () => `${bytes} bytes appended to ${path}.`,
  };
}

/** An agent that names itself means the file that its environment names, wherever it stands. */
function pathFor(call: Call, agent: string): string {
  const own = call.env['CLAUDE_PM_CHECKPOINT'];
  if (own !== undefined && isAbsolute(own) && agent === call.env['CLAUDE_PM_KEY']) return own;
  if (fileFacts(call.projectDir)?.isDirectory !== true)
    throw new Failure(`--project ${shownWord(call.projectDir)} is no folder`);
  return checkpointPath(call.projectDir, agent);
}
