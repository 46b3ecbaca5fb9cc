/** What do the records of the pool say? Its state, an answer and a line of its log, read field by field. */
import { EXIT, Failure } from '../failure.ts';
import type { KeptAnswer, PoolActivity, PoolAgent, PoolRecord, PoolState, PoolTask } from '../pool-model.ts';
import { isRecord, number, oneOf, optional, optionalNumber, parseIdentity, record, text } from './fields.ts';

export const POOL_VERSION = 1;

/** A file of ours that holds something else; it may be put aside. */
export class DamagedPool extends Failure {}

/** @throws DamagedPool; Failure (2) for a newer version. */
export function parsePool(words: string, path: string): PoolState {
  const damaged = (what: string): Failure => new DamagedPool(`${path} is damaged (${what})`);
  let value: unknown;
  try {
    value = JSON.parse(words);
  } catch {
    throw damaged('no JSON');
  }
  if (!isRecord(value)) throw damaged('it holds no object');
  refuseNewer(value['version'], path);
  if (value['version'] !== POOL_VERSION) throw damaged('its version is missing');
  const { agents, reapedMs } = value;
  if (!Array.isArray(agents)) throw damaged('its agents are missing');
  try {
    return { version: POOL_VERSION, agents: agents.map(parseAgent), reapedMs: number(reapedMs, 'reapedMs') };
  } catch (error) {
    throw error instanceof Failure ? error : damaged(error instanceof Error ? error.message : 'agents');
  }
}

function refuseNewer(version: unknown, path: string): void {
  if (typeof version === 'number' && version > POOL_VERSION)
    throw new Failure(
      `${path} was written by a newer version (${version}, this one knows ${POOL_VERSION}): update this toolkit`,
      EXIT.mend,
    );
}

const STATES = ['reserved', 'starting', 'ready', 'stopping'] as const;
const PROTOCOLS = ['stream-json', 'lines'] as const;
const RULES = ['baseline', 'fresh'] as const;

function parseAgent(value: unknown): PoolAgent {
  const agent = record(value, 'agent');
  return {
    id: text(agent['id'], 'id'),
    kind: text(agent['kind'], 'kind'),
    project: text(agent['project'], 'project'),
    state: oneOf(STATES, agent['state'], 'state'),
    protocol: optional(agent['protocol'], (name) => oneOf(PROTOCOLS, name, 'protocol')),
    echoes: agent['echoes'] === true,
    recycle: oneOf(RULES, agent['recycle'], 'recycle'),
    leaseId: text(agent['leaseId'], 'leaseId'),
    process: optional(agent['process'], parseIdentity),
    keeper: optional(agent['keeper'], parseIdentity),
    task: optional(agent['task'], parseTask),
    estimateBytes: number(agent['estimateBytes'], 'estimateBytes'),
    limitBytes: optionalNumber(agent['limitBytes'], 'limitBytes'),
    heapMb: optionalNumber(agent['heapMb'], 'heapMb'),
    sinceMs: number(agent['sinceMs'], 'sinceMs'),
    freeSinceMs: number(agent['freeSinceMs'], 'freeSinceMs'),
    uses: number(agent['uses'], 'uses'),
    freshBytes: optionalNumber(agent['freshBytes'], 'freshBytes'),
    baselineBytes: optionalNumber(agent['baselineBytes'], 'baselineBytes'),
    freshProcesses: optionalNumber(agent['freshProcesses'], 'freshProcesses'),
    activity: optional(agent['activity'], parseActivity),
    reason: optional(agent['reason'], (reason) => text(reason, 'reason')),
  };
}

function parseTask(value: unknown): PoolTask {
  const task = record(value, 'task');
  return {
    id: text(task['id'], 'task.id'),
    sentAs: text(task['sentAs'], 'task.sentAs'),
    caller: optional(task['caller'], parseIdentity),
    isKept: task['isKept'] === true,
    fromByte: number(task['fromByte'], 'task.fromByte'),
    sinceMs: number(task['sinceMs'], 'task.sinceMs'),
    idleMs: number(task['idleMs'], 'task.idleMs'),
  };
}

function parseActivity(value: unknown): PoolActivity {
  const activity = record(value, 'activity');
  return {
    atMs: number(activity['atMs'], 'activity.atMs'),
    cpuMs: optionalNumber(activity['cpuMs'], 'activity.cpuMs'),
    outputBytes: number(activity['outputBytes'], 'activity.outputBytes'),
  };
}

/** @throws Error for a damaged text; Failure (2) for a newer version. */
export function parseAnswer(words: string, path: string): KeptAnswer {
  const value = record(JSON.parse(words), 'the file');
  refuseNewer(value['version'], path);
  if (value['version'] !== POOL_VERSION) throw new Error('version');
  return {
    version: POOL_VERSION,
    task: text(value['task'], 'task'),
    kind: text(value['kind'], 'kind'),
    agent: text(value['agent'], 'agent'),
    status: oneOf(['answered', 'lost'], value['status'], 'status'),
    answer: optional(value['answer'], (answer) => {
      const found = record(answer, 'answer');
      return { ok: found['ok'] === true, text: text(found['text'], 'answer.text') };
    }),
    reason: optional(value['reason'], (reason) => text(reason, 'reason')),
    startedMs: number(value['startedMs'], 'startedMs'),
    endedMs: number(value['endedMs'], 'endedMs'),
  };
}

/** Whether this is a line of the log as this version writes it. */
export function isPoolRecord(value: unknown): value is PoolRecord {
  if (!isRecord(value) || typeof value['kind'] !== 'string' || typeof value['atMs'] !== 'number')
    return false;
  const { event } = value;
  const has = (key: string): boolean => typeof value[key] === 'number';
  if (event === 'start') return has('startMs');
  if (event === 'task') return has('ms') && has('idleMs') && has('busy') && has('uses');
  return event === 'end' && typeof value['reason'] === 'string';
}
