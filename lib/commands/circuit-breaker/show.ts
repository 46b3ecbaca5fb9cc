/** How does the breaker stand right now, as an answer? What status, open and close end with. */
import type { ExitCode } from '../../failure.ts';
import type { Answer } from '../../output/answer.ts';
import { breakerAnswer } from '../../output/breaker.ts';
import { lowMemoryReason } from '../../policy/breaker-answer.ts';
import { lookAtBreaker, type BreakerLook } from '../breaker-gate.ts';
import type { Context } from '../context.ts';

export function showBreaker(
  context: Context,
  codeOf: (look: BreakerLook) => ExitCode,
  talk: readonly string[] = [],
): Answer {
  const { circuitBreaker } = context.settings;
  const look = lookAtBreaker(context);
  const low = lowMemoryReason(context.memory.availableBytes, circuitBreaker);
  const { state, answer, failureCount } = look;
  const view = { state, answer, failureCount, failures: circuitBreaker.failures, low };
  return breakerAnswer(view, codeOf(look), [...context.warnings, ...talk]);
}
