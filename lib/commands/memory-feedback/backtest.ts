/** memory-feedback backtest [FILE]: what would each estimator have cost on our own history, or on a trace? */
import { EXIT, Failure } from '../../failure.ts';
import { flagText, wholeNumber, type Call } from '../../flags.ts';
import type { PastAttempt } from '../../history-model.ts';
import { backtestAnswer } from '../../output/feedback.ts';
import type { Answer } from '../../output/answer.ts';
import { backtest } from '../../policy/backtest.ts';
import { ESTIMATORS, type EstimatorName } from '../../policy/estimators.ts';
import { tellsNeed } from '../../policy/past-index.ts';
import { parseShare } from '../../units.ts';
import { openFeedback } from './common.ts';
import { readTrace } from './trace.ts';

/** Of a trace: kinds with fewer runs tell little, and the first runs of a kind only teach. */
const TRACE = { leastRuns: 34, learnShare: 0.3 };
/** Of our own history, which is shorter. */
const OWN = { leastRuns: 5, learnShare: 0.3 };

/** One line an estimator. @throws Failure where there is nothing to replay. */
export async function run(call: Call): Promise<Answer> {
  const feedback = await openFeedback(call);
  const [file] = call.args;
  const trace = file === undefined ? undefined : await readTrace(file, 'trace');
  const attempts =
    trace?.attempts ??
    feedback.index.kinds.flatMap(({ kind }) => feedback.index.ofKind(kind).filter(tellsNeed));
  const standard = trace === undefined ? OWN : TRACE;
  const least = flagText(call, 'least-runs');
  const leastRuns =
    least === undefined ? standard.leastRuns : wholeNumber('--least-runs', least, 1, 1_000_000);
  const learnShare = readShare(call) ?? standard.learnShare;

  const prior = feedback.context.settings.memoryPerAgentBytes;
  const records = attempts.map((attempt) => ({ ...attempt, priorBytes: priorOf(attempt, file, prior) }));
  const names = Object.keys(ESTIMATORS) as EstimatorName[];
  const results = names.map((estimator) => backtest(records, { estimator, leastRuns, learnShare }));

  if (results.every(({ tasks }) => tasks === 0))
    throw new Failure(
      `nothing to replay: no kind among ${attempts.length} attempts has ${leastRuns} runs (--least-runs)`,
    );
  const source = file ?? 'this history';
  const answer = backtestAnswer(results, { source, attempts: attempts.length, skipped: trace?.skipped ?? 0 });
  return { exitCode: EXIT.ok, ...answer, talk: feedback.talk };
}

/** What it would have got without history: in a trace what its author asked for, of our own the configured figure. */
function priorOf(attempt: PastAttempt, file: string | undefined, priorBytes: number): number {
  return file === undefined ? priorBytes : (attempt.estimateBytes ?? priorBytes);
}

function readShare(call: Call): number | undefined {
  const text = flagText(call, 'learn');
  if (text === undefined) return undefined;
  const share = parseShare(text);
  if (share === undefined) throw new Failure(`--learn ${text} is no share; write 30% or 0.3`);
  return share;
}
