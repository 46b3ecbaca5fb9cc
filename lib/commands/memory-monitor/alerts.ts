/** memory-monitor alerts: what the guard has warned of. */
import { EXIT, Failure } from '../../failure.ts';
import { didYouMean, flagText, shownWord, wholeNumber, type Call } from '../../flags.ts';
import type { AlertLevel } from '../../model.ts';
import type { Answer } from '../../output/answer.ts';
import { alertsAnswer } from '../../output/guard-log.ts';
import { ALERT_ORDER, isAtLeast } from '../../policy/alert.ts';
import { readAlerts } from '../../state/guard-log.ts';
import { projectPaths } from '../../state/paths.ts';
import { openContext } from '../context.ts';
import { sinceFlag } from '../since.ts';

/** Oldest first; exit 0, also where there are none. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);
  const least = await levelFlag(call);
  const sinceMs = sinceFlag(call, context.nowMs);
  const limitText = flagText(call, 'limit');
  const limit = limitText === undefined ? undefined : wholeNumber('--limit', limitText, 1, 1e9);

  const levels = least === undefined ? undefined : ALERT_ORDER.filter((level) => isAtLeast(level, least));
  const found = readAlerts(projectPaths(context.projectDir).logsDir, { levels, sinceMs, limit });

  return { exitCode: EXIT.ok, ...alertsAnswer(found), talk: context.warnings };
}

async function levelFlag(call: Call): Promise<AlertLevel | undefined> {
  const text = flagText(call, 'level');
  if (text === undefined) return undefined;
  const level = ALERT_ORDER.find((one) => one === text);
  if (level !== undefined) return level;
  throw new Failure(
    `--level ${shownWord(text)}: one of ${ALERT_ORDER.join(', ')}${await didYouMean(text, ALERT_ORDER)}`,
  );
}
