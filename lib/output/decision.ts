/** May it start? An admission in words: yes with the lease, or no with the limit, what is missing, what would fit, when to ask again. */
import type { Lease } from '../model.ts';
import type { ExitCode } from '../failure.ts';
import type { AdmissionDecision } from '../policy/admission.ts';
import { formatBytes, formatDuration, MIB } from '../units.ts';
import type { Answer, LineValue } from './answer.ts';

export interface DecisionView {
  readonly key: string;
  readonly decision?: AdmissionDecision;
  readonly lease?: Lease;
  /** A live lease of the same stream: nothing starts twice. */
  readonly twin?: Lease;
  /** Leases that counted nothing, and why. */
  readonly voided: readonly { readonly key: string; readonly life: string }[];
}

export function decisionAnswer(
  view: DecisionView,
  codes: { admitted: ExitCode; later: ExitCode; never: ExitCode },
  talk: readonly string[],
): Answer {
  const { key, decision, lease, twin, voided } = view;
  const voidLines = voided.map(({ key: name, life }): [string, LineValue] => [
    'void_lease',
    `${name} ${life}`,
  ]);
  if (decision === undefined) {
    const reason = `${key} is running already${twin?.owner ? ` (pid ${twin.owner.pid})` : ''}, since ${new Date(twin?.sinceMs ?? 0).toISOString()}; \`complete\` gives its share back`;
    return {
      exitCode: codes.never,
      json: view,
      lines: [['decision', 'refuse'], ['stream', key], ['reason', reason], ...voidLines],
      table: () => `Refused: ${reason}.`,
      talk,
    };
  }
  const common: [string, LineValue][] = [
    ['decision', decision.decision],
    ['stream', key],
    ['reason', decision.reason],
    ['mode', decision.mode],
    ['running_agents', decision.liveAgents],
    ['max_concurrent', decision.maxConcurrent],
  ];
  if (decision.decision === 'admit') {
    const { estimateBytes, limitBytes, warning } = decision;
    return {
      exitCode: codes.admitted,
      json: view,
      lines: [
        ...common,
        ['lease', lease?.id],
        ['estimate_mb', Math.round(estimateBytes / MIB)],
        ['limit_mb', limitBytes === undefined ? undefined : Math.floor(limitBytes / MIB)],
        ['owner_pid', lease?.owner?.pid],
        ...voidLines,
      ],
      table: () =>
        `Yes: ${key} may start (${decision.reason}); ${formatBytes(estimateBytes)} are reserved for it.`,
      talk: warning === undefined ? talk : [...talk, warning],
    };
  }
  const retryMs = decision.decision === 'wait' ? decision.retryAfterMs : undefined;
  return {
    exitCode: decision.decision === 'wait' ? codes.later : codes.never,
    json: view,
    lines: [
      ...common,
      ['limited_by', decision.binding],
      [
        'short_by_mb',
        decision.shortByBytes === undefined ? undefined : Math.ceil(decision.shortByBytes / MIB),
      ],
      ['would_fit_mb', Math.floor(decision.wouldFitBytes / MIB)],
      ['retry_after_seconds', retryMs === undefined ? undefined : Math.ceil(retryMs / 1000)],
      ...voidLines,
    ],
    table: () =>
      `${retryMs === undefined ? 'Never' : 'Not now'}: ${decision.reason}. ${formatBytes(decision.wouldFitBytes)} would fit${retryMs === undefined ? '' : `; ask again in ${formatDuration(retryMs)}`}.`,
    talk,
  };
}
