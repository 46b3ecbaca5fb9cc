/** What do the settings come to for a gate? Works them out anew and keeps them for the next hooks. */
import { ALIASES, DISABLE_MONITOR } from '../../config/layers.ts';
import { loadSettings } from '../../config/load.ts';
import { SETTING_KEYS, variableOf } from '../../config/settings.ts';
import { Failure } from '../../failure.ts';
import { isThere } from '../../files.ts';
import type { MemorySnapshot } from '../../model.ts';
import type { AgentKind, Settings } from '../../settings-model.ts';
import { writeGateRules, type GateNeed, type GateRules } from '../../state/gate-settings.ts';
import { needsOf } from '../coordination-memory/plan-streams.ts';

export interface RefreshFacts {
  readonly env: NodeJS.ProcessEnv;
  readonly projectDir: string;
  readonly homeDir: string | undefined;
  readonly memory: MemorySnapshot;
}

/** Loads the settings and keeps what a gate needs of them. @throws Failure with every fault of the settings. */
export async function refreshGateRules({
  env,
  projectDir,
  homeDir,
  memory,
}: RefreshFacts): Promise<GateRules> {
  const machineTotalBytes = memory.totalBytes;
  const loaded = await loadSettings({ homeDir, projectDir, env, overrides: {}, machineTotalBytes });
  const { settings } = loaded;
  const kinds = [...settings.agents].map(([kind, known]) => [kind, needOf(known, settings)] as const);
  const rules: GateRules = {
    settings,
    needs: { usual: needOf(settings.agents.get('default'), settings), kinds: Object.fromEntries(kinds) },
    warnings: loaded.warnings,
  };
  const variables = [...SETTING_KEYS.map(variableOf), ...Object.keys(ALIASES), DISABLE_MONITOR];
  const sources = {
    homeDir,
    machineTotalBytes,
    files: loaded.files.map(({ path }) => path),
    // Who is told of alerts is none of a gate's business, and an address may be a secret.
    variables: variables.filter((name) => !name.startsWith('CLAUDE_PM_ALERTS_')),
  };
  keep(projectDir, sources, rules, env);
  return rules;
}

/** A project that cannot be written is asked anew each time: slower, and right all the same. None is made where none is. */
function keep(...words: Parameters<typeof writeGateRules>): void {
  try {
    if (isThere(words[0])) writeGateRules(...words);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
  }
}

function needOf(kind: AgentKind | undefined, settings: Settings): GateNeed {
  const own = { estimateBytes: undefined, limitBytes: undefined, heapMb: undefined };
  const { estimateBytes, limitBytes, heapMb, estimateFrom } = needsOf(own, kind, settings, false, Infinity);
  return { estimateBytes, limitBytes, heapMb, estimateIsStated: estimateFrom !== 'prior' };
}
