/** How is a fault in the settings told, and what did its author probably mean? Loaded only where there is something to tell. */
import leven from 'leven';
import { shown } from './values.ts';

/** Something that somebody must mend. */
export interface Fault {
  /** `FILE:LINE`, a variable's or a flag's name. */
  readonly where: string;
  /** The dotted key, if it is about one. */
  readonly key?: string;
  readonly text: string;
  /** The values that would do. */
  readonly allowed?: string;
  /** What was written, and what could have been meant. */
  readonly guess?: { readonly written: string; readonly candidates: readonly string[] };
}

/** `FILE:LINE section.key: what is wrong; allowed: 1 to 5; did you mean …?` */
export function faultLine(fault: Fault): string {
  const meant = fault.guess && nearest(fault.guess.written, fault.guess.candidates);
  const head = fault.key === undefined ? fault.where : `${fault.where} ${shown(fault.key)}`;
  const allowed = fault.allowed === undefined ? '' : `; allowed: ${fault.allowed}`;
  return `${head}: ${fault.text}${allowed}${meant === undefined ? '' : `; did you mean ${meant}?`}`;
}

/** Case and separators aside: `memoryPerAgentGB` and `memory-per-agent-gb` are the same word. */
const plain = (name: string): string =>
  name
    .slice(0, 100)
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '');

/** The candidate that differs from what was written by a third of its letters at most; undefined: none does. */
export function nearest(written: string, candidates: readonly string[]): string | undefined {
  const word = plain(written);
  let best: { name: string; distance: number } | undefined;
  for (const name of candidates) {
    const distance = leven(word, plain(name));
    if (distance <= name.length / 3 && distance < (best?.distance ?? Infinity)) best = { name, distance };
  }
  return best?.name;
}

/**
 * The section of ours that a foreign one is probably a slip of: one letter off, or two in a word that is long or begins
 * alike (`agnets` is a slip of agents, `events` is a word of its own).
 */
export function nearSection(name: string, sections: readonly string[]): string | undefined {
  const word = plain(name);
  return sections.find((section) => {
    const distance = leven(word, plain(section));
    return distance <= 1 || (distance === 2 && (section.length > 7 || word[0] === section[0]));
  });
}
