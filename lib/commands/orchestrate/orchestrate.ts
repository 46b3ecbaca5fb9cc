/** How does one prompt become several agents and one report? A place in the queue, the run loop of every run, the answers collected. */
import { setTimeout as sleep } from 'node:timers/promises';
import { openCeilings } from '../../act/ceiling.ts';
import { EXIT, Failure, type ExitCode } from '../../failure.ts';
import { fileFacts, replaceFile } from '../../files.ts';
import type { Call } from '../../flags.ts';
import type { HeldLock } from '../../lock.ts';
import type { AttemptResult } from '../../model.ts';
import { reportMarkdown, type AgentReport, type OrchestrationReport } from '../../output/orchestrate.ts';
import { wantsCeiling } from '../../policy/ceiling.ts';
import type { ChosenAgent } from '../../policy/choose-agents.ts';
import { taskName } from '../../policy/pool.ts';
import { readAnswer, readPooledAnswer } from '../../policy/prompt-answer.ts';
import { readTail } from '../../probe/log-tail.ts';
import type { PlannedStream } from '../../run-model.ts';
import type { ProtocolName } from '../../settings-model.ts';
import { attemptPaths } from '../../state/attempts.ts';
import type { EpicPaths } from '../../state/paths.ts';
import { takePlace } from '../../state/prompt-queue.ts';
import { lookAtBreaker } from '../breaker-gate.ts';
import type { Context } from '../context.ts';
import { pooledKind } from '../coordination-memory/plan-streams.ts';
import { execute, lockRun } from '../coordination-memory/run.ts';
import { endOrphans } from './orphans.ts';
import { planPrompt } from './plan-prompt.ts';

/** What a report holds of an agent's output; all of it stays in its file. */
const MOST_ANSWER_BYTES = 1024 ** 2;
const MOST_STDERR_BYTES = 2000;
const ASK_EVERY_MS = 500;

/**
 * Works on one prompt. Events go to the call's output, the report beside the run's records.
 * @param wait: where the queue is full or the breaker open, wait instead of being refused.
 * @throws Failure (75) where the queue is full or the breaker open; (2) for faults of settings.
 */
export async function orchestrate(
  call: Call,
  context: Context,
  prompt: string,
  { wait }: { readonly wait: boolean },
): Promise<OrchestrationReport> {
  const place = await enterQueue(call, context, wait);
  try {
    const orphans = await endOrphans(context);
    if (orphans.agents > 0)
      call.err(`${call.program}: ${orphans.agents} agents of killed prompt runs were ended`);
    const { chosen, paths, plan } = await planPrompt(call, context, prompt);
    const ceilings = openCeilings({ mode: wantsCeiling(context.settings), env: call.env });
    const lock = lockRun(paths, context);
    try {
      const { summary } = await execute(call, context, paths, plan, ceilings);
      const agents = chosen.map((one) => {
        const stream = plan.planned.find(({ stream: { id } }) => id === one.agent.name);
        return collectAgent(one, stream, summary.results, paths, protocolFor(call, context, stream));
      });
      const isLost = agents.some(({ status }) => status !== 'done');
      const report: OrchestrationReport = {
        version: 1,
        id: paths.epic,
        prompt,
        startedMs: summary.startedMs,
        endedMs: summary.endedMs,
        exitCode: summary.exitCode === EXIT.ok && isLost ? EXIT.critical : summary.exitCode,
        highestAgents: summary.highestAgents,
        highestBytes: summary.highestBytes,
        agents,
        reportPath: `${paths.runDir}/report.md`,
      };
      replaceFile(report.reportPath, reportMarkdown(report));
      replaceFile(`${paths.runDir}/report.json`, `${JSON.stringify(report, undefined, 2)}\n`);
      return report;
    } finally {
      lock.release();
    }
  } finally {
    place.release();
  }
}

/** A place of the machine-wide queue, and a breaker that lets things start. */
async function enterQueue(call: Call, context: Context, wait: boolean): Promise<HeldLock> {
  const { queue } = context.settings.orchestrator;
  let told: string | undefined;
  for (;;) {
    const { answer } = lookAtBreaker(context);
    const place = answer.allowed ? takePlace(context.stateDir(), context.liveness(), queue) : undefined;
    if (place) return place;
    const reason = answer.allowed
      ? `${queue} prompts are worked on already (orchestrator.queue)`
      : answer.reason;
    if (!wait) throw new Failure(`${reason}; come again, or --wait`, laterCode);
    if (reason !== told) call.err(`${call.program}: waits: ${reason}`);
    told = reason;
    await sleep(ASK_EVERY_MS);
  }
}

const laterCode: ExitCode = EXIT.later;

/** How the agent was talked to where it came from the pool; undefined: it had a process of its own. */
function protocolFor(
  call: Call,
  context: Context,
  planned: PlannedStream | undefined,
): ProtocolName | undefined {
  if (call.flags['pool'] !== true || planned === undefined) return undefined;
  return pooledKind(planned.stream, context.settings)?.protocol;
}

/** What became of one agent: its last attempt's end, and what that wrote. */
function collectAgent(
  { agent, because }: ChosenAgent,
  planned: PlannedStream | undefined,
  results: readonly AttemptResult[],
  paths: EpicPaths,
  protocol: ProtocolName | undefined,
): AgentReport {
  const own = results.filter(({ key }) => key === planned?.stream.key);
  const last = own.at(-1);
  const common = { name: agent.name, kind: agent.kind, because, attempts: own.length };
  if (planned === undefined || last === undefined) {
    const reason = planned?.impossible ?? 'it was not started before the end of the run';
    return { ...common, status: 'not-run', reason };
  }
  const { stdout, stderr } = attemptPaths(paths.streamDir(last.key));
  const size = fileFacts(stdout)?.bytes ?? 0;
  const output = readTail(stdout, MOST_ANSWER_BYTES) ?? '';
  const { text, isError } =
    protocol === 'lines' ? readPooledAnswer(output, taskName(last.key, last.attempt)) : readAnswer(output);
  const isDone = last.outcome === 'done' && !isError;
  const stderrTail = isDone ? undefined : readTail(stderr, MOST_STDERR_BYTES)?.trim();
  return {
    ...common,
    status: isDone ? 'done' : 'failed',
    outcome: last.outcome,
    cause: last.cause,
    reason: last.outcome === 'done' && isError ? 'the client says that it failed' : last.reason,
    answer: text,
    isAnswerCut: size > MOST_ANSWER_BYTES,
    stderrTail: stderrTail === '' ? undefined : stderrTail,
    tookMs: own.reduce((sum, { startedMs, endedMs }) => sum + endedMs - startedMs, 0),
    peakBytes: last.peakBytes,
    estimateBytes: last.estimateBytes,
    limitBytes: last.limitBytes,
    stdoutPath: stdout,
  };
}
