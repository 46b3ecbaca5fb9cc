/** What do `alerts.webhook` and `alerts.command` say: who is told of alerts? */
import { readCommand } from './agents.ts';
import type { Fault } from './faults.ts';
import type { EffectiveValue } from './settings.ts';
import type { Tree } from './tree.ts';
import type { Parsed } from './values.ts';

/** One of the two keys as one layer wrote it. */
export interface ReceiverEntry {
  /** `FILE:LINE`, the variable's or the flag's name. */
  readonly origin: string;
  readonly key: 'alerts.webhook' | 'alerts.command';
  readonly value: Tree;
}

export interface Receivers {
  readonly webhook: string | undefined;
  /** Empty: none. */
  readonly command: readonly string[];
  readonly values: readonly EffectiveValue[];
  readonly faults: readonly Fault[];
}

/** What each of the two takes and means; the rest of the section is in settings.ts. */
export const RECEIVER_KEYS = {
  webhook: {
    allowed: 'an http or https address',
    meaning: 'Where each alert goes as JSON by POST; an empty one switches it off.',
  },
  command: {
    allowed: 'a list of words, or one line that is split at blanks',
    meaning: 'A command that gets each alert as JSON on stdin; an empty one switches it off.',
  },
} as const;

/**
 * Reads both keys of all layers, lowest first; the last that says something decides, so an empty text switches off what a
 * lower one wrote. No fault and no shown value repeats an address: its path and its user are often secrets.
 */
export function readReceivers(written: readonly ReceiverEntry[], homeDir: string | undefined): Receivers {
  const faults: Fault[] = [];
  const values = new Map<string, EffectiveValue>();
  let webhook: string | undefined;
  let command: readonly string[] = [];

  const take = <T>(entry: ReceiverEntry, parsed: Parsed<T>, text: (value: T) => string): T | undefined => {
    const { allowed, meaning } =
      entry.key === 'alerts.webhook' ? RECEIVER_KEYS.webhook : RECEIVER_KEYS.command;
    if ('problem' in parsed) {
      faults.push({ where: entry.origin, key: entry.key, text: parsed.problem, allowed });
      return undefined;
    }
    const { key, origin } = entry;
    values.set(key, { key, value: text(parsed.value), unit: undefined, origin, meaning });
    return parsed.value;
  };

  for (const entry of written) {
    if (isEmpty(entry.value)) {
      if (entry.key === 'alerts.webhook') webhook = undefined;
      else command = [];
      values.delete(entry.key);
    } else if (entry.key === 'alerts.webhook') webhook = take(entry, readAddress(entry.value), shownAddress);
    // The program alone: further words are often secrets.
    else command = take(entry, readCommand(entry.value, homeDir), ([program = '']) => program) ?? [];
  }
  return { webhook, command, values: [...values.values()], faults };
}

function isEmpty(value: Tree): boolean {
  if (value.kind === 'scalar') return value.text.trim() === '';
  return value.kind === 'empty' || (value.kind === 'list' && value.items.length === 0);
}

function readAddress(value: Tree): Parsed<string> {
  if (value.kind !== 'scalar')
    return { problem: value.kind === 'other' ? `is ${value.what}` : `must be one value, no ${value.kind}` };
  const text = value.text.trim();
  if (!URL.canParse(text)) return { problem: 'is no address' };
  const { protocol, hostname } = new URL(text);
  const isWeb = (protocol === 'http:' || protocol === 'https:') && hostname !== '';
  return isWeb ? { value: text } : { problem: 'is no web address' };
}

/** `https://hooks.example.com/…` */
function shownAddress(text: string): string {
  const { origin, pathname, search } = new URL(text);
  return pathname === '/' && search === '' ? origin : `${origin}/…`;
}
