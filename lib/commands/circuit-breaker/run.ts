/** circuit-breaker run -- CMD: start a command only if the machine lets things start, and tell the breaker how it went. */
import { runForeground, type ForegroundEnd } from '../../act/foreground.ts';
import { EXIT, Failure, errorCode } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import { oneLine, type Answer } from '../../output/answer.ts';
import { notStarted } from '../../output/breaker.ts';
import { judgeCommandEnd } from '../../policy/command-end.ts';
import { readKernelOomKills } from '../../probe/kernel.ts';
import { askBreaker, reportMemoryEvent, reportProbe, returnProbe } from '../breaker-gate.ts';
import { openContext, openMachineMemory, type Context } from '../context.ts';

/** Memory of the killed is free again before we are told: what was available up to this long before counts. */
const LOOK_MS = 500;

/** 75 where it may not start; else the command's own code: 128 + n for a signal, 127 not found, 126 not executable. */
export async function run(call: Call): Promise<Answer | number> {
  if (call.rest.length === 0) throw new Failure('run needs a command behind `--`: run -- CMD ARGS');
  const context = await openContext(call);
  const liveness = context.liveness();
  const id = oneLine(
    `run ${(call.rest[0] ?? '').slice(0, 60)} ${liveness.self.pid}-${liveness.self.startTicks}`,
  );

  const asked = askBreaker(context, { id, owner: liveness.self });
  if (!asked.allowed)
    return notStarted(asked, EXIT.later, [...context.warnings, `${call.program}: ${asked.reason}`]);

  for (const line of context.warnings) call.err(line);
  const watch = watchMemory(context);
  const oomKillsBefore = readKernelOomKills();
  const end = await startCommand(call, context);
  const leastBytes = watch.end();
  if (end === undefined) {
    call.err(`${call.program}: there was no memory to start the command`);
    return EXIT.later;
  }

  const { exitCode, problem } = end;
  const { availableBytes: floorBytes } = context.settings.circuitBreaker;
  const facts = { exitCode, oomKillsBefore, oomKillsAfter: readKernelOomKills(), leastBytes, floorBytes };
  const judged = judgeCommandEnd(facts);
  if (judged.verdict === 'out-of-memory') {
    reportMemoryEvent(context, judged.reason);
    call.err(`${call.program}: ${judged.reason}; the breaker counts it`);
  } else if (judged.verdict === 'borne') reportProbe(context, id, true);
  else returnProbe(context, id);
  if (problem !== undefined) call.err(`${call.program}: ${problem}`);
  return exitCode;
}

/** undefined: the system had no memory for it, which is counted. */
async function startCommand(call: Call, context: Context): Promise<ForegroundEnd | undefined> {
  const options = { env: call.env, cwd: process.cwd(), onStart: () => undefined };
  try {
    return await runForeground(call.rest, options);
  } catch (error) {
    if (errorCode(error) !== 'ENOMEM') throw error;
    reportMemoryEvent(context, 'the system had no memory to start a command (ENOMEM)');
    return undefined;
  }
}

/** The least memory that was available at the last looks before the end, and at the end. */
function watchMemory(context: Context): { readonly end: () => number } {
  const probe = openMachineMemory(context.memory);
  let [before, last] = [Infinity, context.memory.availableBytes];
  const timer = setInterval(() => {
    [before, last] = [last, probe.read().availableBytes];
  }, LOOK_MS);
  return {
    end: () => {
      clearInterval(timer);
      const nowBytes = probe.read().availableBytes;
      probe.close();
      return Math.min(before, last, nowBytes);
    },
  };
}
