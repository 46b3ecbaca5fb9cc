/** memory-monitor export: the machine's figures and our agents' in Prometheus text format. */
import { dirname, resolve } from 'node:path';
import { EXIT, Failure } from '../../failure.ts';
import { fileFacts, replaceFile } from '../../files.ts';
import { flagText, shownWord, type Call } from '../../flags.ts';
import { machineMetrics } from '../../output/machine-metrics.ts';
import { expositionText } from '../../output/prometheus.ts';
import { shownPhase } from '../../policy/breaker-answer.ts';
import { judgeCapacity, spawnCapacity } from '../../policy/capacity.ts';
import { judgeHealth } from '../../policy/health.ts';
import { readProcessTable } from '../../probe/processes.ts';
import { toolkitVersion } from '../../probe/toolkit.ts';
import { loadLedger } from '../../state/ledger.ts';
import { lookAtBreaker } from '../breaker-gate.ts';
import { openContext } from '../context.ts';
import { checkLeases } from '../leases.ts';

/** Others must be able to read it: node_exporter runs as a user of its own. */
const READABLE_MODE = 0o644;

/** Exit 0, whatever the figures: whoever scrapes them judges. With --file they replace that file as a whole. */
export async function run(call: Call): Promise<number> {
  const context = await openContext(call);
  const { memory, settings, nowMs } = context;
  const { leases, mode: modeBefore } = loadLedger(context.stateDir());
  const checked = checkLeases(leases, context.liveness().isAlive, nowMs, () => readProcessTable());

  const capacity = judgeCapacity({ settings, memory, leases: checked, budget: undefined, modeBefore });
  const metrics = machineMetrics({
    version: toolkitVersion(),
    memory,
    health: judgeHealth(memory, settings),
    capacity,
    leases: checked,
    spawnCapacity: spawnCapacity(capacity, settings.memoryPerAgentBytes),
    breakerState: shownPhase(lookAtBreaker(context).state),
  });

  const file = flagText(call, 'file');
  const text = call.json ? `${JSON.stringify({ metrics })}\n` : expositionText(metrics);
  if (file === undefined) call.out(text);
  else replaceFile(placeOf(file), text, { mode: READABLE_MODE });
  for (const line of context.warnings) call.err(line);
  return EXIT.ok;
}

/** A collector looks into folders that are there; one made from a slip of the pen would never be read. */
function placeOf(file: string): string {
  const path = resolve(file);
  if (fileFacts(path)?.isDirectory === true || fileFacts(dirname(path))?.isDirectory !== true)
    throw new Failure(`--file ${shownWord(file)}: write the name of a file in a folder that is there`);
  return path;
}
