/** Do the streams fit together? Names become keys; duplicates, unknown names and cycles are found, all at once. */
import type { Stream } from '../model.ts';
import { shown, streamKey } from '../names.ts';
import type { Draft, Fault, Gathered, Reference } from './drafts.ts';

const MOST_CYCLES = 3;
const LONGEST_CYCLE_SHOWN = 12;

interface Index {
  readonly epic: string;
  readonly byKey: ReadonlyMap<string, Draft>;
  readonly byIssue: ReadonlyMap<string, readonly string[]>;
  /** The keys of all streams of this name, whatever their issue. */
  readonly byId: ReadonlyMap<string, readonly string[]>;
  readonly closedIssues: ReadonlySet<string>;
  readonly faults: Fault[];
}

/** Resolves every name. `conflictsWith` comes out symmetric; a dependency on a closed issue is satisfied and left out. */
export function linkStreams(
  epic: string,
  gathered: Gathered,
): { streams: Stream[]; notes: string[]; faults: Fault[] } {
  const index = indexOf(epic, gathered);
  const dependsOn = new Map<string, readonly string[]>();
  const conflicts = new Map<string, Set<string>>();
  const notes = new Set<string>();
  for (const [key, draft] of index.byKey) {
    const needed = new Set(draft.dependsOn.flatMap((reference) => resolve(reference, draft, index)));
    if (needed.delete(key)) index.faults.push({ source: draft.source, message: `${key} depends on itself` });
    dependsOn.set(key, [...needed]);
    for (const reference of draft.conflictsWith) {
      if (runsNothing(reference, index)) {
        notes.add(
          `${reference.source}: issue ${shown(reference.text)} runs nothing here: no conflict with it`,
        );
        continue;
      }
      for (const other of resolve(reference, draft, index)) {
        if (other === key) continue;
        setOf(conflicts, key).add(other);
        setOf(conflicts, other).add(key);
      }
    }
  }
  for (const cycle of findCycles(dependsOn)) {
    const source = index.byKey.get(cycle[0] ?? '')?.source ?? '';
    index.faults.push({ source, message: `these wait for each other: ${cycleText(cycle)}` });
  }
  const streams = [...index.byKey].map(([key, draft]) => ({
    ...draft,
    key,
    epic,
    dependsOn: dependsOn.get(key) ?? [],
    conflictsWith: [...(conflicts.get(key) ?? [])],
  }));
  return { streams, notes: [...notes], faults: index.faults };
}

function indexOf(epic: string, gathered: Gathered): Index {
  const faults: Fault[] = [];
  const byKey = new Map<string, Draft>();
  const byIssue = new Map<string, string[]>();
  const byId = new Map<string, string[]>();
  const folded = new Map<string, Draft>();
  for (const draft of gathered.drafts) {
    const key = streamKey(epic, draft.issue, draft.id);
    const same = folded.get(key.toLowerCase());
    if (same) {
      const twin = streamKey(epic, same.issue, same.id);
      const why =
        twin === key
          ? `is also in ${same.source}`
          : `differs from ${twin} (${same.source}) in capitals alone, and some file systems take them for one`;
      faults.push({ source: draft.source, message: `stream ${key} ${why}` });
      continue;
    }
    folded.set(key.toLowerCase(), draft);
    byKey.set(key, draft);
    listOf(byIssue, draft.issue).push(key);
    listOf(byId, draft.id).push(key);
  }
  return { epic, byKey, byIssue, byId, closedIssues: gathered.closedIssues, faults };
}

function listOf(map: Map<string, string[]>, name: string): string[] {
  const list = map.get(name) ?? [];
  if (list.length === 0) map.set(name, list);
  return list;
}

function setOf(map: Map<string, Set<string>>, name: string): Set<string> {
  const set = map.get(name) ?? new Set();
  if (set.size === 0) map.set(name, set);
  return set;
}

function runsNothing({ text, whole }: Reference, index: Index): boolean {
  return whole && !index.byIssue.has(text) && !index.closedIssues.has(text);
}

/** The keys that a reference means: none where its issue is closed; none and a fault where it means nothing, or not one thing. */
function resolve(reference: Reference, draft: Draft, index: Index): readonly string[] {
  const { text, source } = reference;
  const parts = text.split('/');
  const issue = reference.whole
    ? text
    : parts.length === 3
      ? parts[1]
      : parts.length === 2
        ? parts[0]
        : undefined;
  if (parts.length === 3 && !reference.whole && parts[0] !== index.epic) {
    index.faults.push({
      source,
      message: `"${shown(text)}" is of another epic: only streams of ${index.epic} can be waited for`,
    });
    return [];
  }
  if (issue !== undefined && index.closedIssues.has(issue)) return [];
  if (reference.whole) {
    const keys = index.byIssue.get(text);
    if (!keys)
      index.faults.push({
        source,
        message: `issue ${shown(text)} has no streams to wait for: close it, or write ${shown(text)}-analysis.md`,
        meant: { text, candidates: [...index.byIssue.keys()] },
      });
    return keys ?? [];
  }

  const id = parts.at(-1) ?? '';
  const near = streamKey(index.epic, issue ?? draft.issue, id);
  if (index.byKey.has(near)) return [near];
  const elsewhere = issue === undefined ? (index.byId.get(id) ?? []) : [];
  if (elsewhere.length === 1) return elsewhere;
  index.faults.push(
    elsewhere.length > 1
      ? { source, message: `"${shown(text)}" is ambiguous: write ${elsewhere.slice(0, 5).join(' or ')}` }
      : {
          source,
          message: `there is no stream "${shown(text)}"`,
          meant: { text, candidates: likeForms(index, parts.length) },
        },
  );
  return [];
}

/** All streams, written with as many parts as the word that means none of them. */
function likeForms(index: Index, parts: number): string[] {
  if (parts === 1) return [...index.byId.keys()];
  return [...index.byKey.keys()].map((key) => key.split('/').slice(-parts).join('/'));
}

/** Up to three cycles, each once; depth first without recursion, since a chain may be ten thousand streams long. */
function findCycles(dependsOn: ReadonlyMap<string, readonly string[]>): string[][] {
  const cycles: string[][] = [];
  const state = new Map<string, 'open' | 'done'>();
  for (const start of dependsOn.keys()) {
    if (state.has(start)) continue;
    const path: { key: string; next: number }[] = [{ key: start, next: 0 }];
    state.set(start, 'open');
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const needed = dependsOn.get(top.key)?.[top.next];
      top.next += 1;
      if (needed === undefined) {
        state.set(top.key, 'done');
        path.pop();
      } else if (!state.has(needed)) {
        state.set(needed, 'open');
        path.push({ key: needed, next: 0 });
      } else if (state.get(needed) === 'open') {
        cycles.push(path.slice(path.findIndex((step) => step.key === needed)).map((step) => step.key));
        if (cycles.length === MOST_CYCLES) return cycles;
      }
    }
  }
  return cycles;
}

function cycleText(cycle: readonly string[]): string {
  const first = cycle[0] ?? '';
  if (cycle.length <= LONGEST_CYCLE_SHOWN) return [...cycle, first].join(' -> ');
  const more = cycle.length - LONGEST_CYCLE_SHOWN;
  return [...cycle.slice(0, LONGEST_CYCLE_SHOWN), `${more} more`, first].join(' -> ');
}
