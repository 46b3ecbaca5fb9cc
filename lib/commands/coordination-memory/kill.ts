/** coordination-memory EPIC kill STREAM: end its agent, the whole tree. */
import { EXIT } from '../../failure.ts';
import { replaceFile } from '../../files.ts';
import { flagText, type Call } from '../../flags.ts';
import { cleanText } from '../../names.ts';
import type { Answer } from '../../output/answer.ts';
import { logLine } from '../../state/epic.ts';
import { lastEntries, readJoblog } from '../../state/joblog.ts';
import { updateLedger, withoutLeases } from '../../state/ledger.ts';
import { projectPaths } from '../../state/paths.ts';
import { formatBytes } from '../../units.ts';
import { openContext } from '../context.ts';
import { endAgents } from '../end-agents.ts';
import { stopRequestPath } from './attempt-spec.ts';
import { awaitStarted, findAgent } from './find-agent.ts';
import { writeOrTell } from './write-or-tell.ts';

/** Exit 0 when nothing of it is left, 30 when something outlived KILL. Sub-agents inside a client only give back their share. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);
  const paths = projectPaths(context.projectDir, call.subject);
  const { key, leases } = await awaitStarted(await findAgent(call, context, paths), context, paths);
  const own = leases.filter(({ role }) => role === 'agent');
  const reason = cleanText(
    flagText(call, 'reason') ?? `ended by ${call.env['USER'] ?? 'somebody'} with kill`,
    200,
  );

  const last = lastEntries(readJoblog(paths.joblogPath).entries).get(key);
  const mayBeRetried = leases.length === 0 && last !== undefined && last.outcome !== 'done';
  // Before the signal: the run that reaps it looks here for why it ended, and one that waits to try it again, whether it shall.
  if (mayBeRetried || own.some(({ runner }) => runner !== undefined))
    writeOrTell(call, () => replaceFile(stopRequestPath(paths, key), `${reason}\n`));
  const { ended, left, freedBytes } = await endAgents(context, own, context.settings.cleanupTimeoutMs);
  const gone = new Set(
    leases
      .filter(({ runner }) => runner === undefined || context.liveness().isAlive(runner) === false)
      .map(({ id }) => id),
  );
  if (left === 0 && gone.size > 0)
    updateLedger(context.stateDir(), context.liveness(), (ledger) => ({
      ledger: withoutLeases(ledger, gone),
      answer: undefined,
    }));
  writeOrTell(call, () =>
    logLine(paths, `${key} killed: ${reason}; ${ended} processes ended`, context.nowMs),
  );

  const inClient = leases.length - own.length;
  const sentence =
    own.length === 0
      ? `${key} has no process of its own${mayBeRetried ? '; a run that waits to try it again gives it up' : ''}`
      : `${key}: ${ended} processes ended, ${formatBytes(freedBytes)} held before`;
  return {
    exitCode: left === 0 ? EXIT.ok : EXIT.critical,
    json: { key, ended, left, freedBytes, subagents: inClient },
    lines: [
      ['stream', key],
      ['ended', ended],
      ['left', left],
      ['held_mb', Math.round(freedBytes / 1024 ** 2)],
    ],
    table: () => `${sentence}${left > 0 ? `; ${left} are left` : ''}.`,
    talk:
      inClient > 0
        ? [
            `${key} lives inside its client's process: only its share was given back; end the sub-agent in the client`,
          ]
        : leases.length === 0 && !mayBeRetried
          ? [`${key} does not run: nothing was ended; \`pause\` keeps it from starting`]
          : [],
  };
}
