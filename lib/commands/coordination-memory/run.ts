/** coordination-memory EPIC run: the main job. Settings, facts, plan, the loop, words, exit code. */
import { openCeilings, type Ceilings } from '../../act/ceiling.ts';
import { openLocalEngine, TAG_VARIABLE } from '../../act/local-engine.ts';
import { raisePriority } from '../../act/priority.ts';
import { Run } from '../../act/runner.ts';
import { setFlagsFromString } from 'node:v8';
import { EXIT, Failure } from '../../failure.ts';
import { ensureDir, removeFile } from '../../files.ts';
import type { Call } from '../../flags.ts';
import { tryLock, type HeldLock } from '../../lock.ts';
import type { PlannedStream, RunSummary } from '../../run-model.ts';
import { renderAnswer, type Answer } from '../../output/answer.ts';
import { ceilingLine, wantsCeiling } from '../../policy/ceiling.ts';
import { mostForOne } from '../../policy/capacity.ts';
import { readKernelOomKills } from '../../probe/kernel.ts';
import { archiveJoblog, lastEntries, numberStreams, readJoblog, startJoblog } from '../../state/joblog.ts';
import { projectPaths, type EpicPaths } from '../../state/paths.ts';
import { recordStreams } from '../../state/run-streams.ts';
import { preloadPath } from '../../act/prepare.ts';
import { openContext, openMachineMemory, type Context } from '../context.ts';
import { failuresByKey } from '../entry-cause.ts';
import { buildSpec, readStopRequest, stopRequestPath, writeEvidence } from './attempt-spec.ts';
import { HeldBack } from './held-back.ts';
import { openRemains } from './remains.ts';
import { explainPlan } from './plan-facts.ts';
import { planStreams, type Planned } from './plan-streams.ts';
import { showSummary } from './look-back.ts';
import { tellBreaker } from './run-breaker.ts';
import type { RunPool } from './run-pool.ts';
import { recoverHistory, RunHistory } from './run-history.ts';
import { RunFiles } from './run-files.ts';
import { expectations } from './run-charges.ts';
import { RunForecast } from './run-forecast.ts';
import { RunLedger } from './run-ledger.ts';
import { RunRecords } from './run-records.ts';
import { openSay, type Say } from './run-say.ts';
import { takeSignals } from './signals.ts';

/** Runs an epic's streams; see the module. */
export async function run(call: Call): Promise<Answer | number> {
  const context = await openContext(call);
  const paths = projectPaths(context.projectDir, call.subject);
  const dryRun = call.flags['dry-run'] === true;
  if (!dryRun) recoverHistory(context, paths, call.err);
  const plan = await planStreams(call, context, paths);

  const answer = explainPlan(context, paths, plan);
  if (dryRun) return answer;
  const ceilings = openCeilings({ mode: wantsCeiling(context.settings), env: call.env });
  await showPlan(call, answer, ceilings);
  if (plan.planned.every(({ isDone }) => isDone)) {
    call.err(`nothing to do: all ${plan.planned.length} streams were done earlier (${paths.joblogPath})`);
    return EXIT.ok;
  }

  // The loop sleeps most of the time: what the optimizing compiler costs is never earned back (bench/overhead: 0.9 of 6.7 ms a stream).
  setFlagsFromString('--max-optimized-bytecode-size=0');
  const lock = lockRun(paths, context);
  try {
    // What the plan took for open another run may have done before it let go of the lock.
    if (call.flags['resume'] === true && readJoblog(paths.joblogPath).entries.length !== plan.entries.length)
      throw new Failure(`another run of ${paths.epic} ended at this moment: call again`, EXIT.later);
    const { summary, say } = await execute(call, context, paths, plan, ceilings);
    await say.close();
    await showSummary(call, context, plan.planned, summary);
    return summary.exitCode;
  } finally {
    lock.release();
  }
}

/** The plan, and which limit the kernel itself holds here. */
async function showPlan(call: Call, plan: Answer, ceilings: Ceilings): Promise<void> {
  for (const line of plan.talk ?? []) call.err(line);
  const { kind, reason } = ceilings;
  if (call.json) {
    call.out(`${JSON.stringify({ event: 'plan', plan: plan.json, kernelCeiling: { kind, reason } })}\n`);
    return;
  }
  const lines = [...plan.lines, ['kernel_ceiling', `${kind} (${reason})`] as const];
  call.out(await renderAnswer({ ...plan, lines }, call));
  if (call.terminal) call.out(`${ceilingLine(ceilings)}\n`);
}

/** One run of an epic at a time: two would start every stream twice. */
export function lockRun(paths: EpicPaths, context: Context): HeldLock {
  ensureDir(paths.runDir);
  const lock = tryLock(`${paths.runDir}/run.lock`, context.liveness());
  if ('release' in lock) return lock;
  throw new Failure(
    `a run of ${paths.epic} is going on already (pid ${lock.holder?.pid ?? 'unknown'}): wait for it, or stop it with Ctrl-C there`,
    EXIT.later,
  );
}

/** Runs a plan: its events go to the call's output, its records to the folders of the epic. The caller holds the epic's lock. */
export async function execute(
  call: Call,
  context: Context,
  paths: EpicPaths,
  plan: Planned,
  ceilings: Ceilings,
): Promise<{ summary: RunSummary; say: Say }> {
  const { settings, projectDir } = context;
  const { planned, budgetBytes } = plan;
  const resume = call.flags['resume'] === true;
  const nowMs = Date.now();
  if (!resume) archiveJoblog(paths.joblogPath, nowMs);
  startJoblog(paths.joblogPath);
  recordStreams(
    paths,
    planned.map(({ stream }) => stream),
    resume,
  );
  const earlier = resume ? plan.entries : [];
  const numbers = numberStreams(
    planned.map(({ stream }) => stream.key),
    earlier,
  );
  const attempts = new Map([...lastEntries(earlier)].map(([key, { attempt }]) => [key, attempt ?? 1]));

  const say = openSay(call, plan);
  const memoryProbe = openMachineMemory(context.memory);
  const readMemory = (): typeof context.memory => memoryProbe.read();
  const budget =
    budgetBytes === undefined ? undefined : { bytes: budgetBytes, project: projectDir, epic: paths.epic };
  const stateDir = context.stateDir();
  const forecast = settings.feedback.estimator === 'fixed' ? undefined : new RunForecast(plan.index);
  const ledger = new RunLedger({
    stateDir,
    liveness: context.liveness(),
    projectDir,
    epic: paths.epic,
    settings,
    budget,
    readMemory,
    within: call.env[TAG_VARIABLE],
    forecast,
    onEvent: (event) => say.onEvent(event),
  });
  const pool = await openRunPool(call, context, planned, say);
  raisePriority();
  const engine = openLocalEngine(
    () => Math.min(budgetBytes ?? Infinity, readMemory().availableBytes - settings.admission.safetyBytes),
    ceilings,
    pool?.findWorker,
  );
  const remains = openRemains(context, paths, say.onEvent);
  await remains.end();
  const heldBack = new HeldBack(stateDir, paths, context.liveness().isAlive, remains);
  const shownBudget = budgetBytes ?? Math.min(settings.totalMemoryLimitBytes, context.memory.totalBytes);
  // A plain copy: each look at process.env asks the system.
  const env = { ...call.env };
  const specWorld = { settings, paths, projectDir, env, preload: preloadPath() };
  const limits = new Map<string, number | undefined>();
  const files = new RunFiles(paths, (key) => numbers.get(key) ?? 0);
  const streams = planned.map(({ stream }) => stream);

  const kinds = new Map(streams.map(({ key, kind }) => [key, kind]));
  const byKey = new Map(planned.map((entry) => [entry.stream.key, entry]));
  const history = new RunHistory(context, paths, (text) =>
    say.onEvent({ atMs: Date.now(), event: 'note', text }),
  );
  const records = new RunRecords(call, context, paths, readMemory);
  // Nearly no end of an agent needs a look at the memory.
  const breaker = {
    ...context,
    get memory() {
      return readMemory();
    },
  };
  const session = new Run({
    epic: paths.epic,
    planned,
    settings,
    engine,
    budgetBytes: shownBudget,
    now: Date.now,
    readMemory,
    admit: (candidates, atMs, atMost) => ledger.admit(pool?.limit(candidates) ?? candidates, atMs, atMost),
    ...expectations(forecast, byKey),
    mostForOne: () => mostForOne({ settings, memory: readMemory(), budget }),
    failedBefore: failuresByKey(earlier),
    started: (tag, pid, startTicks) => {
      files.started(tag, { pid, startTicks });
      ledger.started(tag, { pid, startTicks }, Date.now());
    },
    released: (tag) => ledger.released(tag, Date.now()),
    flush: (atMs) => {
      ledger.flush(atMs);
      records.flush(atMs);
      history.flush(atMs);
    },
    prepare: (entry, tag, decision) => {
      const { key } = entry.stream;
      const attempt = (attempts.get(key) ?? 0) + 1;
      attempts.set(key, attempt);
      removeFile(stopRequestPath(paths, key));
      const built = buildSpec(specWorld, entry, attempt, tag, {
        estimateBytes: decision.estimateBytes,
        limitBytes: decision.limitBytes,
      });
      files.begin(built);
      limits.set(key, decision.limitBytes);
      return built.spec;
    },
    record: (result, view) => {
      const { tag, command } = files.ended(result);
      history.note(result, view, kinds.get(result.key) ?? '', command);
      const entry = byKey.get(result.key);
      if (entry) forecast?.learn(entry, view, result);
      tellBreaker(breaker, tag !== undefined && ledger.isProbe(tag) ? tag : undefined, result);
    },
    writeEvidence: (key, reason, memory) => writeEvidence(paths, engine, key, reason, memory, Date.now()),
    heldBack: () => heldBack.read(streams, Date.now(), say.onEvent),
    stopRequest: (key) => readStopRequest(paths, key),
    readKernelKills: () => readKernelOomKills(),
    onEvent: (event) => {
      say.onEvent(event);
      records.note(event);
    },
    memoryEvent: (_, atMs) => ledger.memoryEvent(atMs),
    onLook: (look) => {
      ledger.noteViews(look.views);
      const agents = look.views.filter(({ end }) => end === undefined);
      say.live?.draw({ ...look, agents, limitOf: (key) => limits.get(key), budgetBytes: shownBudget });
    },
  });

  const release = takeSignals((signal) => session.interrupt(signal));
  try {
    const summary = await session.finish();
    await remains.ended();
    records.flush(Date.now(), true);
    return { summary: { ...summary, modes: ledger.modes }, say };
  } finally {
    release();
    await pool?.close();
    history.close();
    try {
      // On a full disk it fails, and still nothing else must stay open or lie about.
      ledger.flush(Date.now(), true);
    } finally {
      ledger.close();
      memoryProbe.close();
      await records.close();
      await say.close();
    }
  }
}

/** With `--pool`: agents that take one stream after another. */
async function openRunPool(
  call: Call,
  context: Context,
  planned: readonly PlannedStream[],
  say: Say,
): Promise<RunPool | undefined> {
  if (call.flags['pool'] !== true) return undefined;
  const { RunPool: Opened } = await import('./run-pool.ts');
  const note = (text: string): void => say.onEvent({ atMs: Date.now(), event: 'note', text });
  const streams = planned.map(({ stream }) => stream);
  return new Opened(context, { ...call.env }, streams, note);
}
