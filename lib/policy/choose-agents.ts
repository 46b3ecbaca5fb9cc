/** Which agents of the roster does a prompt ask for, and by which of its words? */
import type { RosterAgent } from '../settings-model.ts';

/** A chosen agent, with what chose it. */
export interface ChosenAgent {
  readonly agent: RosterAgent;
  /** What was found in the prompt, at most five; empty: it stands in because nobody else was chosen. */
  readonly because: readonly string[];
}

const MOST_REASONS = 5;
const WORD = /[\p{L}\p{N}_]+(?:-[\p{L}\p{N}_]+)*/gu;

/**
 * Everybody of whom some word or pattern is found, the higher priorities first, equal ones in the roster's order. Where
 * nobody is, the entries marked as fallback; none at all where there are none.
 * `find the slow, insecure query` -> security-analyst (insecure), performance-auditor (slow).
 */
export function chooseAgents(prompt: string, roster: readonly RosterAgent[]): ChosenAgent[] {
  const words = new Set((prompt.match(WORD) ?? []).flatMap(partsOf));
  const found = roster
    .map((agent) => ({ agent, because: reasonsFor(agent, prompt, words) }))
    .filter(({ because }) => because.length > 0);
  const chosen =
    found.length > 0
      ? found
      : roster.filter(({ isFallback }) => isFallback).map((agent) => ({ agent, because: [] }));
  return chosen.sort((one, other) => other.agent.priority - one.agent.priority);
}

/** What an agent is told. */
export function promptFor({ prompt }: RosterAgent, task: string): string {
  return prompt.replaceAll('{prompt}', () => task);
}

/** `load-test` is one word, and two. */
function partsOf(word: string): string[] {
  const lower = word.toLowerCase();
  return lower.includes('-') ? [lower, ...lower.split('-')] : [lower];
}

function reasonsFor({ when }: RosterAgent, prompt: string, words: ReadonlySet<string>): string[] {
  const found = when.flatMap((term) => {
    const pattern = /^\/(.+)\/$/.exec(term)?.[1];
    if (pattern !== undefined) return new RegExp(pattern, 'iu').exec(prompt)?.[0] ?? [];
    const wanted = term.toLowerCase();
    if (!wanted.endsWith('*')) return words.has(wanted) ? [wanted] : [];
    return [...words].filter((word) => word.startsWith(wanted.slice(0, -1))).slice(0, 1);
  });
  return [...new Set(found.filter((text) => text !== ''))].slice(0, MOST_REASONS);
}
