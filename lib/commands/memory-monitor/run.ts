/** memory-monitor run -- CMD: guard one command. Its output, signals and exit code pass through. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { openCeilings } from '../../act/ceiling.ts';
import { guardCommand, type GuardedEnd } from '../../act/guard-command.ts';
import { openAlertSender } from '../../act/alert-sender.ts';
import { TAG_VARIABLE } from '../../act/local-engine.ts';
import { EXIT, Failure } from '../../failure.ts';
import { replaceFile } from '../../files.ts';
import { flagBytes, type Call } from '../../flags.ts';
import { cleanText } from '../../names.ts';
import { ceilingBytes, wantsCeiling } from '../../policy/ceiling.ts';
import type { LimitRules } from '../../policy/limit.ts';
import { maskCommandLine } from '../../probe/command-line.ts';
import { readKernelOomKills } from '../../probe/kernel.ts';
import { openGuardLog } from '../../state/guard-log.ts';
import { projectPaths } from '../../state/paths.ts';
import { formatBytes } from '../../units.ts';
import { openContext, openMachineMemory, type Context } from '../context.ts';

/** Exit: the command's own code; 75 where not even the floor is there; 128 + n of the signal by which we stopped it. */
export async function run(call: Call): Promise<number> {
  if (call.rest.length === 0)
    throw new Failure('run needs a command behind `--`: memory-monitor run -- npm test');
  const context = await openContext(call);
  const { settings } = context;
  const rules = readRules(call, context);

  checkFloor(call, context);
  const tag = randomBytes(8).toString('hex');
  const id = cleanText(call.rest[0]?.split('/').at(-1) ?? 'command', 60);
  const { logsDir } = projectPaths(context.projectDir);
  const log = openGuardLog(logsDir, context.liveness(), (text) => call.err(`memory-monitor: ${text}`));
  const sender = openAlertSender({
    settings: settings.alerts,
    cwd: context.projectDir,
    env: call.env,
    note: (text) => log.note('warning', text, Date.now()),
  });
  const memory = openMachineMemory(context.memory);
  const warnings: string[] = [];
  const startedMs = Date.now();
  const killsBefore = readKernelOomKills();

  const end = await guardCommand({
    words: call.rest,
    cwd: process.cwd(),
    env: { ...call.env, [TAG_VARIABLE]: tag },
    tag,
    rules,
    subprocess: settings.subprocess.enabled && settings.monitoringEnabled ? settings.subprocess : undefined,
    mostMs: settings.thresholds.sampleIntervalMs,
    graceMs: settings.cleanupTimeoutMs,
    abort: settings.thresholds.abort && settings.monitoringEnabled,
    ceilings: openCeilings({ mode: wantsCeiling(settings), env: call.env }),
    readMemory: memory.read,
    onStart: (pid) =>
      log.note('info', `${id} (pid ${pid}) started: ${maskCommandLine(call.rest)}`, Date.now()),
    onDeed: (deed, members, guard) => {
      const atMs = Date.now();
      const level = deed.deed === 'tell' ? deed.level : 'over';
      warnings.push(deed.message);
      call.err(`memory-monitor: ${deed.message}`);
      if (deed.deed !== 'tell') {
        const evidence = join(logsDir, `evidence-${id.replace(/[^A-Za-z0-9._-]/g, '_')}-${tag}.json`);
        const largest = [...members()].sort((a, b) => b.rssBytes - a.rssBytes).slice(0, 5);
        replaceFile(
          evidence,
          `${JSON.stringify({ version: 1, atMs, command: maskCommandLine(call.rest), reason: deed.message, deed: deed.deed, samples: guard.history, members: largest, memory: memory.read() }, undefined, 2)}\n`,
        );
        const what =
          deed.deed === 'stop-tool' ? `${deed.reason}: it goes, the command stays` : 'it is stopped';
        call.err(`memory-monitor: ${what}; evidence in ${evidence}`);
      }
      sender.send(log.alert({ atMs, level, subprocessId: id, message: deed.message, memory: memory.read() }));
    },
  });

  memory.close();
  log.stats([
    {
      atMs: Date.now(),
      subprocessId: id,
      startBytes: end.firstBytes,
      peakBytes: end.use.peakBytes,
      endBytes: end.use.samples > 0 ? end.use.lastBytes : undefined,
      durationMs: end.durationMs,
      warnings,
      aborted: end.aborted,
    },
  ]);
  if (end.ceilingKills !== undefined && end.ceilingKills > 0)
    call.err(
      `memory-monitor: the kernel killed ${end.ceilingKills} of its processes at its ceiling of ${formatBytes(ceilingBytes(rules.limitBytes ?? 0))}`,
    );
  if (end.problem === undefined) await keepRecord(call, context, rules, { end, startedMs, killsBefore });
  else call.err(`memory-monitor: ${call.rest[0] ?? ''} cannot be started (${end.problem})`);
  await sender.drain(settings.alerts.timeoutMs);
  return end.exitCode;
}

/** Loaded only now: while the command runs, we take as little as can be. */
async function keepRecord(
  call: Call,
  context: Context,
  { limitBytes }: LimitRules,
  { end, startedMs, killsBefore }: { end: GuardedEnd; startedMs: number; killsBefore: number | undefined },
): Promise<void> {
  const { classifyEnd } = await import('../../policy/cause.ts');
  const { recordAttempt } = await import('../record-attempt.ts');
  const { cause } = classifyEnd({
    exitCode: end.exitCode,
    ourAbort: end.aborted ? { kind: 'limit', reason: 'over --max' } : undefined,
    kernelKills: { before: killsBefore, after: readKernelOomKills() },
  });
  recordAttempt(
    context,
    {
      words: call.rest,
      kind: undefined,
      cause,
      estimateBytes: undefined,
      limitBytes,
      heapMb: undefined,
      use: end.use,
      startedMs,
      endedMs: startedMs + end.durationMs,
    },
    (text) => call.err(`memory-monitor: ${text}`),
  );
}

/** --warning, --critical and --max, else the thresholds of the settings. */
function readRules(call: Call, { settings }: Context): LimitRules {
  const { thresholds } = settings;
  const limitBytes = flagBytes(call, 'max') ?? thresholds.maxBytes;
  const criticalBytes = flagBytes(call, 'critical') ?? Math.min(thresholds.criticalBytes, limitBytes / 2);
  const warningBytes = flagBytes(call, 'warning') ?? Math.min(thresholds.warningBytes, criticalBytes / 2);
  if (!(warningBytes < criticalBytes && criticalBytes < limitBytes)) {
    throw new Failure(
      `--warning ${formatBytes(warningBytes)}, --critical ${formatBytes(criticalBytes)} and --max ${formatBytes(limitBytes)} must rise in this order`,
    );
  }
  return { warningBytes, criticalBytes, limitBytes };
}

/** Pre-flight: under the floor nothing starts, under twice the floor a warning. */
function checkFloor(call: Call, { memory, settings }: Context): void {
  const { floorBytes } = settings.admission;
  if (!settings.enabled) return;
  const text = (bytes: number): string => formatBytes(bytes).replace('.0', '');
  if (memory.availableBytes < floorBytes) {
    throw new Failure(
      `Insufficient memory: only ${formatBytes(memory.availableBytes)} available (need at least ${text(floorBytes)})`,
      EXIT.later,
    );
  }
  if (memory.availableBytes < 2 * floorBytes) {
    call.err(
      `memory-monitor: WARNING: only ${formatBytes(memory.availableBytes)} available, under ${text(2 * floorBytes)}`,
    );
  }
}
