/** What becomes of a prompt: which agents, as which streams, under which plan? */
import { randomBytes } from 'node:crypto';
import { Failure } from '../../failure.ts';
import { cleanText } from '../../names.ts';
import { readBytes } from '../../files.ts';
import { flagText, shownWord, type Call } from '../../flags.ts';
import { chooseAgents, promptFor, type ChosenAgent } from '../../policy/choose-agents.ts';
import { wordFault, type Draft } from '../../state/drafts.ts';
import { projectPaths, type EpicPaths } from '../../state/paths.ts';
import type { Context } from '../context.ts';
import { planStreams, type Planned } from '../coordination-memory/plan-streams.ts';
import { resolve } from 'node:path';

export interface PromptPlan {
  readonly prompt: string;
  readonly chosen: readonly ChosenAgent[];
  readonly paths: EpicPaths;
  readonly plan: Planned;
}

/** The issue of all streams that come from a prompt. */
const ISSUE = 'prompt';
const TITLE_CHARS = 100;

/** The words of a call, or the content of --prompt-file. @throws Failure (2) where there is no prompt. */
export function readPrompt(call: Call): string {
  const words = [...call.args, ...call.rest].join(' ');
  const file = flagText(call, 'prompt-file');
  if (file !== undefined && words !== '')
    throw new Failure('words and --prompt-file each say the whole prompt: give one of them');
  const prompt = file === undefined ? words : readFile(call, file);
  if (prompt.trim() === '') throw new Failure(`${call.command} needs a PROMPT, or --prompt-file FILE`);
  return prompt;
}

function readFile(call: Call, file: string): string {
  const content = readBytes(resolve(call.projectDir, file));
  if (content === undefined) throw new Failure(`--prompt-file ${shownWord(file)}: there is no such file`);
  return content.toString('utf8');
}

/** Chooses the agents and plans their streams under an epic of this prompt's own. @throws Failure (2) where nobody is for it. */
export async function planPrompt(call: Call, context: Context, prompt: string): Promise<PromptPlan> {
  const { orchestrator } = context.settings;
  const roster = orchestrator.agents ?? (await import('../../config/default-roster.ts')).DEFAULT_ROSTER;
  const chosen = chooseAgents(prompt, roster);
  if (chosen.length === 0)
    throw new Failure(
      'no agent of the roster is for this prompt: widen `when`, or give one of them fallback: true (orchestrator.agents)',
    );
  const paths = projectPaths(context.projectDir, newEpic(context.nowMs));
  const drafts = chosen.map(({ agent }): Draft => {
    const told = promptFor(agent, prompt);
    const fault = wordFault(told);
    if (fault !== undefined) throw new Failure(`the prompt of ${agent.name} ${fault}`);
    return {
      issue: ISSUE,
      id: agent.name,
      title: cleanText(prompt, TITLE_CHARS) || agent.name,
      kind: agent.kind,
      command: agent.command,
      prompt: told,
      cwd: undefined,
      env: {},
      dependsOn: [],
      conflictsWith: [],
      estimateBytes: undefined,
      limitBytes: undefined,
      heapMb: undefined,
      expectedMs: undefined,
      timeoutMs: orchestrator.timeoutMs,
      source: `orchestrator.agents.${agent.name}`,
    };
  });
  const plan = await planStreams(call, context, paths, { from: 'memory', drafts });
  return { prompt, chosen, paths, plan };
}

/** Whether an epic was made for a prompt, by its name. */
export function isPromptEpic(epic: string): boolean {
  return /^prompt-\d{8}T\d{6}-[0-9a-f]{4}$/.test(epic);
}

/** `prompt-20260131T120000-1f3a`: no two prompts share their records. */
function newEpic(nowMs: number): string {
  const stamp = new Date(nowMs)
    .toISOString()
    .replace(/\.\d+Z$/, '')
    .replace(/[:-]/g, '');
  return `prompt-${stamp}-${randomBytes(2).toString('hex')}`;
}
