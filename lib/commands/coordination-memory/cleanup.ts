/** coordination-memory EPIC cleanup: give back shares of the dead and end what they left behind. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { sweptAnswer } from '../../output/swept.ts';
import { logLine } from '../../state/epic.ts';
import { projectPaths } from '../../state/paths.ts';
import { openContext } from '../context.ts';
import { sweep, sweepRecords } from '../sweep.ts';

/** Only leases of this epic in this project. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);
  const paths = projectPaths(context.projectDir, call.subject);

  const swept = await sweep(
    context,
    ({ epic, project }) => epic === paths.epic && project === context.projectDir,
  );
  if (swept.leases.length > 0 || swept.processes > 0) {
    logLine(
      paths,
      `cleanup: ${swept.leases.length} void leases, ${swept.processes} processes ended`,
      context.nowMs,
    );
  }

  const torn = sweepRecords(context, paths.epic);
  return sweptAnswer({ ...swept, files: [...swept.files, ...torn] }, EXIT.ok, context.warnings);
}
