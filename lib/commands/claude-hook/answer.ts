/** What does a hook answer the client? One event in, one line of JSON or nothing out; never a stack, never a code that the client would misread. */
import { isAbsolute } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, Failure } from '../../failure.ts';
import { appendText, readText } from '../../files.ts';
import {
  adviceText,
  heavyText,
  noticeText,
  refusalReason,
  refusalText,
  type HookText,
} from '../../output/hook-answer.ts';
import { judgeHealth } from '../../policy/health.ts';
import { heavyPattern, jobVariables } from '../../policy/heavy-command.ts';
import { HOOK_EVENTS, readHookEvent, type HookEvent, type HookWord } from '../../policy/hook-event.ts';
import { readInput, writeOutput } from '../../stdio.ts';
import { sessionText } from './session.ts';
import { recordEnds } from './record.ts';
import { reserveShare, type Applicant, type Reservation } from './reserve.ts';
import { takeShare, tellShares } from './shares.ts';
import { openGate, openHookPlace, readMachine, type GateWorld } from './world.ts';

/** A prompt of a megabyte is a long one. */
const MOST_INPUT_BYTES = 64 * 1024 * 1024;
/** The longest time between two looks of a call that is held. */
const LOOK_MS = 1000;

/** Whether this is a name of an event. */
export function isHookWord(word: string | undefined): word is HookWord {
  return word !== undefined && Object.hasOwn(HOOK_EVENTS, word);
}

/**
 * Answers one event from stdin on stdout. `blocks`: what the settings say of a broken gate where they cannot be read.
 * The client takes every exit code but 0 and 2 for a failure of ours, so it is always 0, and what went wrong is said in words.
 */
export async function answerHook(word: HookWord, env: NodeJS.ProcessEnv, blocks: boolean): Promise<void> {
  const gate = { blocks };
  let text: HookText;
  try {
    text = await answerEvent(word, env, gate);
  } catch (error) {
    text = brokenText(word, error, gate.blocks);
    saidNothing();
  }
  if (text !== undefined) writeOutput(`${text}\n`);
}

/** What was compiled for this call is not worth keeping for the next one (tools/hook-loader.cjs): it is no example of its kind. */
function saidNothing(): void {
  process.exitCode = EXIT.ok;
}

async function answerEvent(
  word: HookWord,
  env: NodeJS.ProcessEnv,
  gate: { blocks: boolean },
): Promise<HookText> {
  const input = readInput(MOST_INPUT_BYTES);
  if (input === undefined) throw new Failure('what the client sent is larger than 64 MB');
  const read = readHookEvent(word, parse(input));
  if ('fault' in read) throw new Failure(`what the client sent is no ${HOOK_EVENTS[word]}: ${read.fault}`);
  const { event } = read;
  if (event.event === 'other') {
    saidNothing();
    return undefined;
  }

  const place = openHookPlace(env);
  if (place.clientIsGone()) {
    saidNothing();
    return undefined;
  }
  switch (event.event) {
    case 'answered':
    case 'failed':
    case 'ended':
    case 'turn-over':
    case 'session-end':
      await recordEnds(place, event.event, await tellShares(place, event));
      return undefined;
    case 'started':
      if (await takeShare(place, event)) return undefined;
      break;
    case 'ask':
    case 'shell':
    case 'session-start':
  }
  const world = await openGate(place);
  gate.blocks = world.settings.gate.onFailure === 'block';
  return decide(world, event);
}

type DecidedEvent = Extract<HookEvent, { event: 'ask' | 'shell' | 'started' | 'session-start' }>;

async function decide(world: GateWorld, event: DecidedEvent): Promise<HookText> {
  switch (event.event) {
    case 'ask':
      return ask(world, event);
    case 'shell':
      return judgeShell(world, event.command);
    case 'started':
      await reserve(world, { ...event, mustHave: true });
      return undefined;
    case 'session-start':
      keepJobs(world);
      return sessionText(world);
  }
}

function parse(input: string): unknown {
  try {
    return JSON.parse(input);
  } catch {
    // No word of it is repeated: it may be anybody's prompt.
    throw new Failure('what the client sent is no JSON');
  }
}

async function ask(world: GateWorld, event: Extract<HookEvent, { event: 'ask' }>): Promise<HookText> {
  const { session, call, kind, wakes, agent: parent } = event;
  const decision = await reserve(world, { session, call, kind, wakes, parent, mustHave: false });
  if (decision === undefined || decision.decision === 'admit') return undefined;
  const canDefer = world.settings.gate.whenFull === 'defer' && decision.decision === 'wait';
  return refusalText(canDefer ? 'defer' : 'deny', refusalReason(decision));
}

/**
 * Reserves; what does not fit now waits where the settings say so, and an agent that nobody can refuse any more waits in
 * any case, since its first request does not go out before we answer. After that time it takes its share all the same.
 */
async function reserve(world: GateWorld, applicant: Applicant): Promise<Reservation> {
  const { whenFull, waitMs } = world.settings.gate;
  const waits = whenFull === 'wait' || applicant.mustHave;
  const untilMs = Date.now() + (waits ? waitMs : 0);
  let memory = world.memory;
  for (;;) {
    const leftMs = untilMs - Date.now();
    const isLast = leftMs <= 0;
    const decision = reserveShare(
      { ...world, memory },
      { ...applicant, mustHave: applicant.mustHave && isLast },
    );
    if (decision?.decision === 'refuse' && applicant.mustHave)
      return reserveShare({ ...world, memory }, applicant);
    if (isLast || decision?.decision !== 'wait') return decision;
    await sleep(Math.max(1, Math.min(leftMs, decision.retryAfterMs, LOOK_MS)));
    memory = await readMachine();
  }
}

function judgeShell(world: GateWorld, command: string): HookText {
  const { bash, heavy } = world.settings.gate;
  if (bash === 'off') return undefined;
  const pattern = heavyPattern(command, heavy);
  if (pattern === undefined) return undefined;
  const { level, reason } = judgeHealth(world.memory, world.settings);
  if (level !== 'critical') return undefined;
  const words = heavyText(pattern, reason);
  return bash === 'refuse' ? refusalText('deny', words) : adviceText('PreToolUse', words);
}

/** Builds and test runners of the whole session read their number of jobs from the file that the client sources for its shells. */
function keepJobs({ env, settings }: GateWorld): void {
  const variables = jobVariables(settings.gate.toolJobs);
  const path = env['CLAUDE_ENV_FILE'];
  if (variables.length === 0 || path === undefined || !isAbsolute(path)) return;
  // Names of ours and whole numbers: there is nothing to quote. Other hooks write into the same file.
  const lines = variables.map(([name, value]) => `export ${name}=${value}\n`).join('');
  if (!(readText(path) ?? '').includes(lines)) appendText(path, lines);
}

/** A call is let through or blocked as the settings say; every other event only tells. */
function brokenText(word: HookWord, error: unknown, blocks: boolean): HookText {
  const what = error instanceof Error ? error.message : String(error);
  const isOurs = !(error instanceof Failure);
  const words = `Memory gate: it cannot do its work (${isOurs ? 'a bug of ours: ' : ''}${what.split('\n')[0] ?? ''})`;
  if (word === 'pre-tool-use')
    return blocks
      ? refusalText(
          'deny',
          `${words}; gate.on_failure is block, so nothing starts. \`coordinator-setup validate\` says what to mend.`,
        )
      : noticeText(`${words}; the call was let through. \`coordinator-setup validate\` says what to mend.`);
  return word === 'session-start'
    ? noticeText(`${words}. \`coordinator-setup validate\` says what to mend.`)
    : undefined;
}
