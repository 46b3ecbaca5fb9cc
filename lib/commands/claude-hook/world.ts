/** Where does a hook stand? Project and client; machine and settings only for the events that decide something. */
import { homedir } from 'node:os';
import { isAbsolute } from 'node:path';
import { Failure } from '../../failure.ts';
import type { Liveness } from '../../lock.ts';
import type { MemorySnapshot, ProcessIdentity } from '../../model.ts';
import { isAlive, isVacant, readSelf } from '../../probe/identity.ts';
import { readMemory, readMemoryAnywhere } from '../../probe/memory.ts';
import { readProcessTable } from '../../probe/processes.ts';
import { readGateRules, type GateRules } from '../../state/gate-settings.ts';
import { stateDir } from '../../state/paths.ts';
import { findOwner } from '../coordination-memory/owner.ts';
import { loadRefresh } from './cold.ts';

/** What every event needs. */
export interface HookPlace {
  readonly env: NodeJS.ProcessEnv;
  readonly projectDir: string;
  readonly homeDir: string | undefined;
  readonly stateDir: () => string;
  readonly liveness: () => Liveness;
  /** The client in whose process sub-agents live; undefined: it cannot be told, and only time ends a share. */
  readonly client: () => ProcessIdentity | undefined;
  /** It was killed while its hook started: nobody hears an answer, and nothing may be reserved for it any more. */
  readonly clientIsGone: () => boolean;
}

/** What an event needs by which something is decided. */
export interface GateWorld extends HookPlace, GateRules {
  readonly memory: MemorySnapshot;
  /** Why the settings in force are not the newest; undefined: they are. */
  readonly stale: string | undefined;
}

/** The project that the client names, else the folder that we were started in. */
export function openHookPlace(env: NodeJS.ProcessEnv): HookPlace {
  const named = env['CLAUDE_PROJECT_DIR'];
  const homeDir = env['HOME'] || homedir() || undefined;
  let self: ProcessIdentity | undefined;
  let found: { readonly client: ProcessIdentity | undefined } | undefined;
  const client = (): ProcessIdentity | undefined =>
    (found ??= { client: findOwner(undefined, env, readProcessTable) }).client;
  const pid = env['CLAUDE_PID'] ?? '';
  return {
    env,
    homeDir,
    projectDir: named !== undefined && isAbsolute(named) ? named : process.cwd(),
    stateDir: () => stateDir(env, homeDir),
    liveness: () => ({ self: (self ??= readSelf()), isAlive }),
    client,
    // By the look at it that is kept: whoever dies after that leaves a share with a dead owner, which counts nothing.
    clientIsGone: () => /^\d{1,7}$/.test(pid) && client()?.pid !== Number(pid) && isVacant(Number(pid)),
  };
}

/** @throws Failure where memory or settings cannot be told. */
export async function openGate(place: HookPlace): Promise<GateWorld> {
  const memory = await readMachine();
  const { rules, stale } = await findRules(place, memory);
  return { ...place, ...rules, memory, stale };
}

/** What the settings came to when they were last worked out, newest or not; undefined: they never were. */
export function keptRules({ projectDir, homeDir, env }: HookPlace): GateRules | undefined {
  return readGateRules(projectDir, { homeDir, machineTotalBytes: 0 }, env)?.rules;
}

/** The machine's memory now. */
export function readMachine(): Promise<MemorySnapshot> {
  return process.platform === 'linux' ? Promise.resolve(readMemory()) : readMemoryAnywhere();
}

/** The kept settings if nothing has changed since, else new ones; faulty new ones leave the kept ones in force. */
async function findRules(
  { env, projectDir, homeDir }: HookPlace,
  memory: MemorySnapshot,
): Promise<{ rules: GateRules; stale: string | undefined }> {
  const kept = readGateRules(projectDir, { homeDir, machineTotalBytes: memory.totalBytes }, env);
  if (kept?.isFresh === true) return { rules: kept.rules, stale: undefined };
  try {
    const { refreshGateRules } = await loadRefresh();
    return { rules: await refreshGateRules({ env, projectDir, homeDir, memory }), stale: undefined };
  } catch (error) {
    // By its name: what is loaded late in the bundle has a class of its own.
    if (!(error instanceof Error) || error.name !== 'Failure') throw error;
    if (kept === undefined) throw new Failure(error.message);
    return { rules: kept.rules, stale: error.message };
  }
}
