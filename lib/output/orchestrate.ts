/** How is a prompt that became several agents told: the plan, and the report with each one's answer? */
import type { ExitCode } from '../failure.ts';
import type { Cause, Outcome } from '../model.ts';
import type { ChosenAgent } from '../policy/choose-agents.ts';
import { formatBytes, formatDuration, MIB } from '../units.ts';
import type { Answer, LineValue } from './answer.ts';
import type { PlanFacts } from './plan.ts';

/** What became of one agent. */
export interface AgentReport {
  readonly name: string;
  readonly kind: string;
  /** The words of the prompt that chose it; empty: it stood in. */
  readonly because: readonly string[];
  readonly status: 'done' | 'failed' | 'not-run';
  readonly reason: string;
  readonly attempts: number;
  /** Of the last attempt, as what follows; absent where there was none. */
  readonly outcome?: Outcome;
  readonly cause?: Cause | undefined;
  readonly answer?: string;
  /** Only its end is in the report. */
  readonly isAnswerCut?: boolean;
  readonly stderrTail?: string | undefined;
  /** Of all attempts together. */
  readonly tookMs?: number;
  readonly peakBytes?: number | undefined;
  readonly estimateBytes?: number;
  readonly limitBytes?: number | undefined;
  readonly stdoutPath?: string;
}

/** What a prompt came to. */
export interface OrchestrationReport {
  readonly version: 1;
  readonly id: string;
  readonly prompt: string;
  readonly startedMs: number;
  readonly endedMs: number;
  /** 0: everybody is done; 30: somebody is not; 128 + n: interrupted. */
  readonly exitCode: number;
  readonly highestAgents: number;
  readonly highestBytes: number;
  readonly agents: readonly AgentReport[];
  /** The report as Markdown; report.json lies beside it. */
  readonly reportPath: string;
}

/** Which agents, how many at once, and why. */
export function promptPlanAnswer(
  chosen: readonly ChosenAgent[],
  facts: PlanFacts,
  exitCode: ExitCode,
): Answer {
  const atOnce = facts.batches[0]?.keys.length ?? 0;
  const why = reasonOf(facts, atOnce, chosen.length);
  const rows = chosen.map(({ agent, because }) => ({
    agent,
    because: because.length > 0 ? because.join(', ') : 'nobody else was chosen',
    planned: facts.planned.find(({ stream }) => stream.id === agent.name),
  }));
  return {
    exitCode,
    json: { agents: rows, atOnce, reason: why, plan: facts },
    lines: [
      ['agents', chosen.length],
      ['at_once', atOnce],
      ['reason', why],
      [
        'headroom_mb',
        Number.isFinite(facts.headroomBytes) ? Math.round(facts.headroomBytes / MIB) : undefined,
      ],
      ['limited_by', facts.limitedBy],
      ['batches', facts.batches.length],
      ...rows.map(({ agent, because, planned }): [string, LineValue] => [
        'agent',
        `${agent.name} kind=${agent.kind} priority=${agent.priority} estimate=${planned ? formatBytes(planned.estimateBytes) : '-'} because=${because}`,
      ]),
      ...rows.flatMap(({ agent, planned }) =>
        planned?.impossible === undefined
          ? []
          : [['refused', `${agent.name} ${planned.impossible}`] as const],
      ),
    ],
    table: () =>
      [
        `${chosen.length} agents, ${atOnce} at once: ${why}.`,
        ...rows.map(
          ({ agent, because, planned }) =>
            `  ${agent.name} (${planned ? formatBytes(planned.estimateBytes) : '-'}): ${because}${planned?.impossible === undefined ? '' : `; ${planned.impossible}`}`,
        ),
      ].join('\n'),
    talk: facts.notes,
  };
}

function reasonOf(facts: PlanFacts, atOnce: number, chosen: number): string {
  const headroom = Number.isFinite(facts.headroomBytes)
    ? `${formatBytes(facts.headroomBytes)} of headroom in ${facts.limitedBy}`
    : facts.limitedBy;
  if (atOnce >= chosen) return `all of them fit: ${headroom}`;
  if (atOnce >= facts.slots) return `${facts.slots} agents may run at once (max_concurrent_agents)`;
  return `the others wait until there is room: ${headroom}`;
}

/** The report in short lines; on a terminal all of it. */
export function reportAnswer(report: OrchestrationReport): Answer {
  const { agents } = report;
  const done = agents.filter(({ status }) => status === 'done').length;
  return {
    exitCode: report.exitCode as ExitCode,
    json: report,
    lines: [
      ['id', report.id],
      ['agents', agents.length],
      ['done', done],
      ['failed', agents.length - done],
      ['seconds', Math.round((report.endedMs - report.startedMs) / 100) / 10],
      ['highest_agents', report.highestAgents],
      ['highest_use_mb', Math.round(report.highestBytes / MIB)],
      ...agents.map((agent): [string, LineValue] => ['agent', agentLine(agent)]),
      ['report', report.reportPath],
    ],
    table: () => reportMarkdown(report),
  };
}

function agentLine(agent: AgentReport): string {
  const { name, status, attempts, tookMs, peakBytes, reason } = agent;
  const facts = [
    `status=${status}`,
    `attempts=${attempts}`,
    `seconds=${tookMs === undefined ? '-' : Math.round(tookMs / 100) / 10}`,
    `peak_mb=${peakBytes === undefined ? '-' : Math.round(peakBytes / MIB)}`,
  ];
  return `${name} ${facts.join(' ')}${status === 'done' ? '' : ` ${reason}`}`;
}

/** The report as Markdown. Answers are quoted, so that none of them can look like another one's part of the report. */
export function reportMarkdown(report: OrchestrationReport): string {
  const { agents, prompt } = report;
  const done = agents.filter(({ status }) => status === 'done').length;
  const took = formatDuration(report.endedMs - report.startedMs);
  return [
    `# ${done} of ${agents.length} agents done in ${took}`,
    '',
    quote(prompt.trim()),
    '',
    `At most ${report.highestAgents} at once, ${formatBytes(report.highestBytes)} together.`,
    '',
    ...agents.flatMap(agentSection),
  ].join('\n');
}

function agentSection(agent: AgentReport): string[] {
  const { name, status, reason, attempts, tookMs, peakBytes, estimateBytes, answer } = agent;
  const facts = [
    ...(tookMs === undefined ? [] : [formatDuration(tookMs)]),
    ...(peakBytes === undefined
      ? []
      : [`peak ${formatBytes(peakBytes)} of ${formatBytes(estimateBytes ?? 0)}`]),
    ...(attempts > 1 ? [`${attempts} attempts`] : []),
    agent.because.length > 0
      ? `chosen by ${agent.because.map(oneWord).join(', ')}`
      : 'nobody else was chosen',
  ];
  const said =
    answer === undefined || answer === ''
      ? ['It wrote nothing.']
      : [
          ...(agent.isAnswerCut === true ? [`Only its end; all of it: ${agent.stdoutPath ?? ''}`, ''] : []),
          quote(answer),
        ];
  return [
    `## ${name}: ${status}`,
    '',
    `${facts.join(', ')}.`,
    '',
    ...(status === 'done'
      ? []
      : [`**${status === 'failed' ? 'Failed' : 'Not run'}: ${printable(reason)}**`, '']),
    ...(status === 'not-run' ? [] : [...said, '']),
    ...(agent.stderrTail === undefined ? [] : ['Its last words on stderr:', '', quote(agent.stderrTail), '']),
  ];
}

function quote(text: string): string {
  return printable(text)
    .split('\n')
    .map((line) => (line === '' ? '>' : `> ${line}`))
    .join('\n');
}

const oneWord = (word: string): string => `\`${printable(word).replace(/[`\n]/g, ' ')}\``;

/** Without what a terminal would obey. */
function printable(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
}
