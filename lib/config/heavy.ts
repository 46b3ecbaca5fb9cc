/** What does `gate.heavy` say: which commands of a shell are heavy? */
import type { Fault } from './faults.ts';
import type { ListEntry } from './named-list.ts';
import type { EffectiveValue } from './settings.ts';

export interface Heavy {
  readonly heavy: readonly string[];
  readonly values: readonly EffectiveValue[];
  readonly faults: readonly Fault[];
}

/** Test runners, builds and searches through everything: what takes hundreds of megabytes or all cores at once. */
export const HEAVY_COMMANDS: readonly string[] = [
  'jest', 'vitest', 'playwright', 'cypress', 'pytest', 'tsc', 'webpack', 'next build', 'vite build', 'turbo',
  'npm test', 'npm run test', 'npm run build', 'npm ci', 'npm install', 'pnpm test', 'pnpm build', 'pnpm install',
  'yarn test', 'yarn build', 'yarn install', 'cargo build', 'cargo test', 'go build', 'go test', 'make', 'ninja',
  'gradle', './gradlew', 'mvn', 'bazel', 'docker build', 'docker compose', 'find /', 'grep -r', 'grep -R', 'rg',
]; // prettier-ignore

export const HEAVY_KEY = {
  allowed: 'a list of commands, each up to 100 characters',
  meaning: 'Commands that are heavy, each as words in a row; the highest file that has the list decides.',
} as const;

const MOST_COMMANDS = 200;
const MOST_CHARACTERS = 100;
const KEY = 'gate.heavy';

/** The list of the highest file that has one; an empty list: nothing is heavy. */
export function readHeavy(written: readonly ListEntry[]): Heavy {
  const lists = written.map(readList);
  const last = lists.at(-1);
  return {
    heavy: last?.heavy ?? HEAVY_COMMANDS,
    values: last?.values ?? [],
    faults: lists.flatMap(({ faults }) => faults),
  };
}

function readList({ file, value }: ListEntry): Heavy {
  const origin = `${file}:${value.line}`;
  const fault = (text: string): Heavy => ({
    heavy: [],
    values: [],
    faults: [{ where: origin, key: KEY, text, allowed: HEAVY_KEY.allowed }],
  });
  if (value.kind === 'empty') return { heavy: [], values: [], faults: [] };
  if (value.kind !== 'list') return fault('must be a list');
  if (value.items.length > MOST_COMMANDS) return fault(`has more than ${MOST_COMMANDS} entries`);
  const heavy: string[] = [];
  for (const item of value.items) {
    const text = item.kind === 'scalar' ? item.text.trim().replace(/\s+/g, ' ') : '';
    if (text === '' || text.length > MOST_CHARACTERS) return fault('has an entry that is no command');
    heavy.push(text);
  }
  const row = { key: KEY, value: heavy.join(', '), unit: undefined, origin, meaning: HEAVY_KEY.meaning };
  return { heavy, values: [row], faults: [] };
}
