/** Which environment does one attempt of a wrapped command get? */
import { TAG_VARIABLE } from '../../act/local-engine.ts';
import type { Call } from '../../flags.ts';
import type { Settings } from '../../settings-model.ts';
import { MIB } from '../../units.ts';
import { nodeOptionsFor } from '../node-options.ts';

/** Marks the processes of an attempt, also inside an agent of a run, whose own mark they keep. */
export const RETRY_TAG = 'CLAUDE_PM_RETRY';

/** The caller's environment, the marks, the number of the attempt, its figures, and NODE_OPTIONS with its heap. */
export function attemptEnvironment(
  call: Call,
  settings: Settings,
  attempt: {
    readonly attempt: number;
    readonly tag: string;
    /** undefined inside an agent of a run. */
    readonly leaseId: string | undefined;
    readonly heapMb: number | undefined;
    readonly limitBytes: number | undefined;
  },
): NodeJS.ProcessEnv {
  const { heapMb, leaseId, limitBytes } = attempt;
  const env: NodeJS.ProcessEnv = {
    ...call.env,
    [RETRY_TAG]: attempt.tag,
    CLAUDE_PM_ATTEMPT: String(attempt.attempt),
  };
  if (leaseId !== undefined) env[TAG_VARIABLE] = leaseId;
  if (limitBytes !== undefined) env['CLAUDE_PM_LIMIT_MB'] = String(Math.floor(limitBytes / MIB));
  if (heapMb === undefined) return env;
  env['CLAUDE_PM_HEAP_MB'] = String(heapMb);
  const merged = nodeOptionsFor(call.rest[0] ?? '', call.env, process.cwd(), settings, heapMb);
  if (merged !== undefined) env['NODE_OPTIONS'] = merged;
  return env;
}
