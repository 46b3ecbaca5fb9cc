/** memory-monitor cleanup: what of ours is of no more use. Signals nothing that the ledger does not own, drops no page cache. */
import { join } from 'node:path';
import { EXIT, Failure } from '../../failure.ts';
import { fileFacts, listDir, putAside, removeTree } from '../../files.ts';
import { flagDuration, type Call } from '../../flags.ts';
import { withLock } from '../../lock.ts';
import type { Answer } from '../../output/answer.ts';
import { sweptAnswer } from '../../output/swept.ts';
import { ledgerLockPath, ledgerPath, loadLedger } from '../../state/ledger.ts';
import { projectPaths } from '../../state/paths.ts';
import { openContext, type Context } from '../context.ts';
import { sweep, sweepRecords } from '../sweep.ts';

export const KEEP_MS = 30 * 86_400_000;

/** Exit 0; a damaged ledger is kept aside first, and a new one begins. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);
  const keepMs = flagDuration(call, 'keep') ?? KEEP_MS;

  const aside = putDamagedAside(context);
  const { endOrphans } = await import('../orchestrate/orphans.ts');
  const orphans = await endOrphans(context);
  const swept = await sweep(context, () => true);
  const old = removeOldRuns(context, keepMs);
  const torn = sweepRecords(context);

  return sweptAnswer(
    {
      ...swept,
      processes: swept.processes + orphans.processes,
      files: [...swept.files, ...old, ...torn],
      ...(aside === undefined ? {} : { aside }),
    },
    EXIT.ok,
    context.warnings,
  );
}

/** A ledger of a newer version is not damaged: it stays, and we say so. */
function putDamagedAside(context: Context): string | undefined {
  const stateDir = context.stateDir();
  return withLock(ledgerLockPath(stateDir), context.liveness(), () => {
    try {
      loadLedger(stateDir);
      return undefined;
    } catch (error) {
      if (!(error instanceof Failure) || !error.message.includes('is damaged')) throw error;
      return putAside(ledgerPath(stateDir), context.nowMs);
    }
  });
}

/** Records and outputs of runs that nobody touched for this long. */
export function removeOldRuns(context: Context, keepMs: number): string[] {
  const { runsDir } = projectPaths(context.projectDir);
  const old = listDir(runsDir).filter((name) => {
    const dir = join(runsDir, name);
    const newest = Math.max(
      fileFacts(dir)?.modifiedMs ?? 0,
      ...listDir(dir).map((inner) => fileFacts(join(dir, inner))?.modifiedMs ?? 0),
    );
    return context.nowMs - newest > keepMs;
  });
  for (const name of old) removeTree(join(runsDir, name));
  return old.map((name) => `runs/${name}`);
}
