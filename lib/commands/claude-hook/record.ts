/** What does the end of a sub-agent leave behind? What its client's tree held, in the project's statistics and the machine's history. */
import { isThere } from '../../files.ts';
import type { PastAttempt } from '../../history-model.ts';
import type { ShareEvent } from '../../policy/sub-agents.ts';
import { openGuardLog } from '../../state/guard-log.ts';
import { appendHistory, isHistoryFull } from '../../state/history.ts';
import { projectPaths } from '../../state/paths.ts';
import { thisMachine } from '../past.ts';
import { loadHistory } from './cold.ts';
import type { EndedShare } from './shares.ts';
import type { HookPlace } from './world.ts';

/** Sub-agents share their client's tree: under this label no estimate takes the tree's figures for those of one agent. */
const SHARED_LABEL = 'shared';

/** Records ends of agents that had begun. A session's end also folds the history where it has grown. */
export async function recordEnds(
  place: HookPlace,
  told: ShareEvent['event'],
  ended: readonly EndedShare[],
): Promise<void> {
  const endedMs = Date.now();
  if (ended.length > 0 && isThere(place.projectDir)) writeStats(place, ended, endedMs);
  // Its own word, or the lack of one at the end of a turn.
  const hasSaidSo = told !== 'turn-over' && told !== 'session-end';
  const attempts = ended.flatMap((share) => pastOf(share, hasSaidSo, endedMs) ?? []);
  appendHistory(place.stateDir(), attempts);
  if (told !== 'session-end' || !isHistoryFull(place.stateDir())) return;
  const { tidyHistory } = await loadHistory();
  tidyHistory(place.stateDir(), place.liveness());
}

function writeStats(place: HookPlace, ended: readonly EndedShare[], endedMs: number): void {
  const log = openGuardLog(projectPaths(place.projectDir).logsDir, place.liveness(), () => undefined);
  log.stats(
    ended.map(({ lease, treeBytes, others }) => ({
      atMs: endedMs,
      subprocessId: lease.key,
      startBytes: lease.baseBytes,
      peakBytes: treeBytes === undefined ? undefined : Math.max(treeBytes, lease.baseBytes),
      endBytes: treeBytes,
      durationMs: endedMs - lease.sinceMs,
      warnings: [],
      aborted: false,
      sharedWith: others,
    })),
  );
}

function pastOf(
  { lease, treeBytes }: EndedShare,
  hasSaidSo: boolean,
  endedMs: number,
): PastAttempt | undefined {
  if (treeBytes === undefined) return undefined;
  const { kind } = lease;
  return {
    // By its kind: each agent's own name comes once and never again.
    key: `claude/${kind}`,
    kind,
    command: 'claude',
    label: SHARED_LABEL,
    cause: hasSaidSo ? 'done' : 'killed-unknown',
    estimateBytes: lease.estimateBytes,
    limitBytes: lease.limitBytes,
    heapMb: lease.heapMb,
    peakBytes: Math.max(treeBytes, lease.baseBytes),
    peakKind: 'rss',
    isCensored: !hasSaidSo,
    averageBytes: undefined,
    peakAfterMs: undefined,
    profile: [],
    endedMs,
    durationMs: Math.max(0, endedMs - lease.sinceMs),
    machine: thisMachine(),
  };
}
