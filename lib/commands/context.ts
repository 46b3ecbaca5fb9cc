/** Where does a call stand? Settings, memory, paths and who we are: the first two steps of every command. */
import { homedir } from 'node:os';
import { loadSettings, type LoadedSettings } from '../config/load.ts';
import { Failure } from '../failure.ts';
import { fileFacts } from '../files.ts';
import type { Call } from '../flags.ts';
import { shownWord } from '../flags.ts';
import type { Liveness } from '../lock.ts';
import type { MemorySnapshot } from '../model.ts';
import { isAlive, readSelf } from '../probe/identity.ts';
import { openMemoryProbe, readMemory } from '../probe/memory.ts';
import { stateDir } from '../state/paths.ts';

export interface Context extends LoadedSettings {
  readonly memory: MemorySnapshot;
  readonly projectDir: string;
  readonly homeDir: string | undefined;
  readonly nowMs: number;
  /** The machine-wide state folder. @throws Failure (2) where none can be told. */
  readonly stateDir: () => string;
  /** Who we are, for locks and leases. */
  readonly liveness: () => Liveness;
}

/** Reads settings and memory for a call. @throws Failure (2) with every fault of the settings at once. */
export async function openContext(call: Call): Promise<Context> {
  if (fileFacts(call.projectDir)?.isDirectory !== true) {
    throw new Failure(`--project ${shownWord(call.projectDir)} is no folder`);
  }
  const homeDir = findHome(call.env);
  const memory = await readMachineMemory();
  const overrides = readOverrides(call);
  const loaded = await loadSettings({
    homeDir,
    projectDir: call.projectDir,
    env: call.env,
    overrides,
    machineTotalBytes: memory.totalBytes,
  });
  let state: string | undefined;
  return {
    ...loaded,
    memory,
    projectDir: call.projectDir,
    homeDir,
    nowMs: Date.now(),
    stateDir: () => (state ??= stateDir(call.env, homeDir)),
    liveness: () => ({ self: readSelf(), isAlive }),
  };
}

/** The machine's memory on any system: /proc on Linux, systeminformation elsewhere (loaded only there). */
export async function readMachineMemory(): Promise<MemorySnapshot> {
  if (process.platform === 'linux') return readMemory();
  const { readMemoryAnywhere } = await import('../probe/memory.ts');
  return readMemoryAnywhere();
}

/** Memory for a loop that cannot wait: kept descriptors on Linux, elsewhere the last of the looks taken once a second. */
export function openMachineMemory(first: MemorySnapshot): {
  readonly read: () => MemorySnapshot;
  readonly close: () => void;
} {
  if (process.platform === 'linux') {
    const probe = openMemoryProbe();
    return { read: () => probe.read(), close: () => probe.close() };
  }
  let last = first;
  const timer = setInterval(() => {
    void readMachineMemory().then((snapshot) => (last = snapshot));
  }, 1000);
  timer.unref();
  return { read: () => last, close: () => clearInterval(timer) };
}

function findHome(env: NodeJS.ProcessEnv): string | undefined {
  if (env['HOME']) return env['HOME'];
  try {
    return homedir() || undefined;
  } catch {
    // No entry in the password file either (a container under a foreign uid): there is no home.
    return undefined;
  }
}

/** `--set section.key=value`, by dotted key. */
function readOverrides(call: Call): Record<string, string> {
  const words = call.flags['set'];
  const overrides: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const word of Array.isArray(words) ? (words as readonly string[]) : []) {
    const equals = word.indexOf('=');
    if (equals <= 0) throw new Failure(`--set ${shownWord(word)}: write SECTION.KEY=VALUE`);
    overrides[word.slice(0, equals)] = word.slice(equals + 1);
  }
  return overrides;
}
