/** Which agents are in the pool, whose are they, and what did they answer? One versioned file under one lock, a folder for each. */
import { join } from 'node:path';
import { listDir, putAside, readText, removeTree, replaceFile } from '../files.ts';
import { withLock, type Liveness } from '../lock.ts';
import type { PoolAgent, PoolState } from '../pool-model.ts';
import { DamagedPool, parsePool, POOL_VERSION } from './pool-records.ts';

const EMPTY: PoolState = { version: POOL_VERSION, agents: [], reapedMs: 0 };

/** Where an agent of the pool reads, writes and complains. */
export interface AgentPaths {
  readonly dir: string;
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
}

export function poolDir(stateDir: string): string {
  return join(stateDir, 'pool');
}

export function poolPath(stateDir: string): string {
  return join(poolDir(stateDir), 'pool.json');
}

/** The folder of an agent with its pipe and its output. */
export function agentPaths(stateDir: string, id: string): AgentPaths {
  const dir = join(poolDir(stateDir), 'agents', id);
  return { dir, stdin: join(dir, 'stdin'), stdout: join(dir, 'stdout.log'), stderr: join(dir, 'stderr.log') };
}

export function removeAgentFolder(stateDir: string, id: string): void {
  removeTree(agentPaths(stateDir, id).dir);
}

/** Folders of agents that the pool does not know. */
export function strayFolders(stateDir: string, agents: readonly PoolAgent[]): string[] {
  const known = new Set(agents.map(({ id }) => id));
  return listDir(join(poolDir(stateDir), 'agents')).filter((name) => !known.has(name));
}

/** The pool without the lock: good for showing. @throws Failure (2) for a damaged or newer file, which stays as it is. */
export function loadPool(stateDir: string): PoolState {
  const path = poolPath(stateDir);
  const text = readText(path);
  return text === undefined ? EMPTY : parsePool(text, path);
}

/**
 * Reads, changes and writes the pool while nobody else can; the same object: nothing is written. A damaged file is kept aside
 * and told to `say`, and the pool begins anew: its agents are still in the ledger, where `cleanup` finds them. Not fsynced:
 * a power cut ends every process that it could speak of. The ledger's lock may be taken inside, never the other way round.
 * @throws Failure (2) for a file of a newer version; (75) when the lock does not come free.
 */
export function updatePool<T>(
  stateDir: string,
  liveness: Liveness,
  say: (line: string) => void,
  change: (pool: PoolState) => { pool: PoolState; answer: T },
): T {
  const path = poolPath(stateDir);
  return withLock(join(poolDir(stateDir), 'pool.lock'), liveness, () => {
    const before = loadOrPutAside(stateDir, say);
    const { pool, answer } = change(before);
    if (pool !== before) replaceFile(path, `${JSON.stringify(pool)}\n`);
    return answer;
  });
}

function loadOrPutAside(stateDir: string, say: (line: string) => void): PoolState {
  try {
    return loadPool(stateDir);
  } catch (error) {
    if (!(error instanceof DamagedPool)) throw error;
    say(`${error.message}: kept as ${putAside(poolPath(stateDir), Date.now())}; the pool begins anew`);
    return EMPTY;
  }
}

/** The same pool with this agent added, or in the place of the one with its id. */
export function withAgent(pool: PoolState, agent: PoolAgent): PoolState {
  const at = pool.agents.findIndex(({ id }) => id === agent.id);
  return { ...pool, agents: at < 0 ? [...pool.agents, agent] : pool.agents.with(at, agent) };
}

export function withoutAgent(pool: PoolState, id: string): PoolState {
  return { ...pool, agents: pool.agents.filter((agent) => agent.id !== id) };
}
