/** How is memory pressure told: the level with its figures, and what each handler did? */
import { formatBytes, formatDuration, formatShare, MIB } from '../units.ts';
import type { PressureJudgement, PressureLevel } from '../policy/pressure.ts';
import { EXIT, type ExitCode } from '../failure.ts';
import type { LineValue } from './answer.ts';

/** What one handler came to. */
export interface HandlerView {
  readonly name: string;
  readonly status: string;
  readonly beforeBytes: number;
  readonly afterBytes: number;
  readonly tookMs: number;
  readonly detail: string;
}

/** The exit code of a level. */
export const LEVEL_EXIT: Readonly<Record<PressureLevel, ExitCode>> = {
  normal: EXIT.ok,
  warning: EXIT.warning,
  critical: EXIT.critical,
};

const mb = (bytes: number): number => Math.round(bytes / MIB);
const percent = (share: number | undefined): number | undefined =>
  share === undefined ? undefined : Math.round(share * 1000) / 10;

/** The figures of a judgement as `key:value` lines. */
export function figureLines(judgement: PressureJudgement): [string, LineValue][] {
  return [
    ['available_mb', mb(judgement.availableBytes)],
    ['total_mb', mb(judgement.totalBytes)],
    ['used_percent', percent(judgement.usedShare)],
    ['stall_some_10s_percent', percent(judgement.some10Share)],
    ['stall_full_10s_percent', percent(judgement.full10Share)],
  ];
}

/** `trim done change_mb=210 before_mb=900 after_mb=1110 took_ms=340 exit 0` */
export function handlerLine(view: HandlerView): [string, LineValue] {
  const { name, status, beforeBytes, afterBytes, tookMs, detail } = view;
  const figures = `change_mb=${mb(afterBytes) - mb(beforeBytes)} before_mb=${mb(beforeBytes)} after_mb=${mb(afterBytes)} took_ms=${tookMs}`;
  return ['handler', `${name} ${status} ${figures} ${detail}`];
}

/** The same for people. */
export function handlerSentence({
  name,
  status,
  beforeBytes,
  afterBytes,
  tookMs,
  detail,
}: HandlerView): string {
  const change = afterBytes - beforeBytes;
  const sign = change < 0 ? '' : '+';
  return `  ${name} ${status} in ${formatDuration(tookMs)}: ${formatBytes(beforeBytes)} -> ${formatBytes(afterBytes)} available (${sign}${formatBytes(change)}); ${detail}`;
}

/** One line for people: level, figures, stalls. */
export function levelSentence(judgement: PressureJudgement): string {
  const { level, availableBytes, usedShare, some10Share } = judgement;
  const stall = some10Share === undefined ? '' : `, ${percent(some10Share)}% stalled`;
  return `${level}: ${formatBytes(availableBytes)} available, ${formatShare(usedShare)} used${stall}`;
}
