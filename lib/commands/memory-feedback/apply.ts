/** memory-feedback apply: writes recommended figures into the project's settings file; nothing else of it changes. */
import { join } from 'node:path';
import { SETTINGS_FILE } from '../../config/load.ts';
import { patchSettings, type Change } from '../../config/patch.ts';
import { EXIT } from '../../failure.ts';
import { readText, replaceFile } from '../../files.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { unifiedDiff } from '../../output/diff.ts';
import { recommendationText, type Recommendation } from '../../policy/recommend.ts';
import { MIB } from '../../units.ts';
import { openFeedback, recommendFor } from './common.ts';

/** A settings file is shared with whoever works on the project, unlike our state. */
const SHARED_MODE = 0o644;

/** Exit 0 with what was changed and why; `--dry-run` prints a diff and writes nothing. */
export async function run(call: Call): Promise<Answer> {
  const feedback = await openFeedback(call);
  const { agents } = feedback.context.settings;
  const path = join(feedback.context.projectDir, SETTINGS_FILE);
  const before = readText(path) ?? '';

  const all = recommendFor(feedback);
  // A kind that the settings do not name has no command there, and a figure alone would hide the one called default.
  const known = all.filter(({ kind }) => agents.has(kind));
  const fresh = known.filter((one) => changesOf(one).length > 0 && one.confidence !== 'low');
  const after = patchSettings(before, fresh.flatMap(changesOf), path);

  const diff = unifiedDiff(before, after, SETTINGS_FILE);
  const isDry = call.flags['dry-run'] === true;
  if (!isDry && after !== before) replaceFile(path, after, { mode: SHARED_MODE });
  const said = fresh.map(recommendationText);
  const left = all.filter((one) => !fresh.includes(one)).map((one) => `${one.kind}: ${whyNot(one, agents.has(one.kind))}`);
  return {
    exitCode: EXIT.ok,
    json: { file: path, written: !isDry && after !== before, applied: fresh, left, diff },
    lines: [
      ['file', path],
      ['written', !isDry && after !== before],
      ...said.map((text) => ['applied', text] as const),
      ...left.map((text) => ['left', text] as const),
      ...(isDry ? diff.split('\n').filter(Boolean).map((line) => ['diff', line] as const) : []),
    ],
    table: () => [...(isDry && diff !== '' ? [diff] : said), ...left.map((text) => `left: ${text}`)].join('\n') || 'Nothing to change.',
    talk: feedback.talk,
  };
} // prettier-ignore

/** What the settings do not say yet. */
function changesOf({ kind, limitBytes, memoryBytes, nowBytes }: Recommendation): Change[] {
  const size = (bytes: number): string => `${Math.round(bytes / MIB)}MB`;
  const memory: Change = { path: ['agents', kind, 'memory'], value: size(memoryBytes) };
  const limit: Change[] =
    limitBytes === undefined ? [] : [{ path: ['agents', kind, 'limit'], value: size(limitBytes) }];
  return memoryBytes === nowBytes ? [] : [memory, ...limit];
}

function whyNot(one: Recommendation, isKnown: boolean): string {
  if (!isKnown) return 'no kind under agents: in the settings';
  return one.confidence === 'low' ? `only ${one.attempts} attempts so far` : 'it has this figure already';
}
