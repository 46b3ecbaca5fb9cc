/** coordination-memory EPIC log [TEXT]: read the epic's memory log, or add a line. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { logLine, readLog } from '../../state/epic.ts';
import { projectPaths } from '../../state/paths.ts';

/** Lines are the file's own; the file stays the people's to read. */
export function run(call: Call): Answer {
  const paths = projectPaths(call.projectDir, call.subject);
  if (call.args.length > 0) logLine(paths, call.args.join(' '), Date.now());
  const lines = readLog(paths);
  const shown = call.args.length > 0 ? lines.slice(-1) : lines;
  return {
    exitCode: EXIT.ok,
    json: { epic: paths.epic, lines: shown },
    lines: shown.map((line) => ['log', line.slice(2)] as const),
    table: () => (shown.length > 0 ? shown.join('\n') : `The memory log of ${paths.epic} is empty.`),
  };
}
