/** coordination-memory EPIC complete STREAM: give back what spawn reserved. */
import { EXIT, Failure } from '../../failure.ts';
import { flagText, type Call } from '../../flags.ts';
import { checkName } from '../../names.ts';
import type { Answer } from '../../output/answer.ts';
import { logLine } from '../../state/epic.ts';
import { updateLedger, withoutLeases } from '../../state/ledger.ts';
import { projectPaths } from '../../state/paths.ts';
import { formatBytes, formatDuration } from '../../units.ts';
import { reportProbe, returnProbe } from '../breaker-gate.ts';
import { openContext } from '../context.ts';
import { readStreamKey } from './stream-word.ts';
import { writeOrTell } from './write-or-tell.ts';

const STATUSES = ['done', 'failed', 'blocked'];

/** Exit 0, also where the lease was gone already (its owner died, or complete was called twice): nothing is owed then. */
export async function run(call: Call): Promise<Answer> {
  const epic = checkName('epic', call.subject);
  const key = readStreamKey(epic, call.args[0] ?? '');
  const status = flagText(call, 'status') ?? 'done';
  if (!STATUSES.includes(status)) throw new Failure(`--status must be one of ${STATUSES.join(', ')}`);
  const context = await openContext(call);

  const lease = updateLedger(context.stateDir(), context.liveness(), (ledger) => {
    const found = ledger.leases.filter((entry) => entry.key === key && entry.project === context.projectDir);
    // A dead run's lease of the same stream may stand before the one that is meant: none of them is owed any more.
    return { ledger: withoutLeases(ledger, new Set(found.map(({ id }) => id))), answer: found.at(-1) };
  });
  // A probe of a half-open breaker: that it came to its end says that the machine bore it.
  if (lease && status === 'blocked') returnProbe(context, lease.id);
  else if (lease) reportProbe(context, lease.id, true);
  if (lease?.runner) {
    call.err(
      `${key} belongs to a run, which gives its share back by itself; it was given back now all the same`,
    );
  }
  const text = lease
    ? `${key} ${status} after ${formatDuration(context.nowMs - lease.sinceMs)}, ${formatBytes(lease.estimateBytes)} given back`
    : `${key} ${status}; it held no share`;
  writeOrTell(call, () => logLine(projectPaths(context.projectDir, epic), text, context.nowMs));

  return {
    exitCode: EXIT.ok,
    json: { key, status, lease },
    lines: [
      ['stream', key],
      ['status', status],
      ['released', lease !== undefined],
      ['released_mb', lease && Math.round(lease.estimateBytes / 1024 ** 2)],
    ],
    table: () => `${text}.`,
    talk: context.warnings,
  };
}
