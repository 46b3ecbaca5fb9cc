/** Which agents does a call mean: their kind, what starts them, what they may take? Shared by start, submit and request. */
import { Failure } from '../../failure.ts';
import { flagBytes, flagText, shownWord, type Call } from '../../flags.ts';
import { cleanText } from '../../names.ts';
import { PROTOCOLS } from '../../policy/protocol.ts';
import type { PooledKind, ProtocolName } from '../../settings-model.ts';
import { planStart, type StartPlan } from './place.ts';
import type { Pool } from './pool.ts';

/** `--kind`, by default the only kind that `agents:` says how to pool. @throws Failure (2) where that is none or several. */
export function readKind(call: Call, pool: Pool): string {
  const named = flagText(call, 'kind');
  if (named !== undefined) {
    if (named === '' || cleanText(named, 64) !== named)
      throw new Failure(`--kind ${shownWord(named)} is no kind: at most 64 characters that print`);
    return named;
  }
  const kinds = [...pool.context.settings.agents].flatMap(([kind, { pool: own }]) => (own ? [kind] : []));
  const [only] = kinds;
  if (only !== undefined && kinds.length === 1) return only;
  throw new Failure(
    `${call.command} needs --kind KIND; agents: in .claude-pm.yaml ${kinds.length === 0 ? 'says of no kind how it is pooled' : `has ${kinds.join(', ')}`}`,
  );
}

/** How an agent of the kind is started: the words behind `--`, else the kind's `pool`; undefined where neither says it. */
export function readPlan(call: Call, pool: Pool, kind: string): StartPlan | undefined {
  const own = pool.context.settings.agents.get(kind)?.pool;
  const protocol = readProtocol(call) ?? own?.protocol ?? 'lines';
  const command = call.rest.length > 0 ? call.rest : own?.command;
  if (command === undefined) return undefined;
  const pooled: PooledKind = { command, protocol, recycle: own?.recycle ?? 'baseline' };
  const bytes = { estimateBytes: flagBytes(call, 'memory'), limitBytes: flagBytes(call, 'limit') };
  return planStart(pool, { ...call.env }, { kind, pooled, ...bytes });
}

function readProtocol(call: Call): ProtocolName | undefined {
  const text = flagText(call, 'protocol');
  if (text === undefined) return undefined;
  const names = Object.keys(PROTOCOLS) as ProtocolName[];
  const name = names.find((known) => known === text);
  if (name === undefined) throw new Failure(`--protocol ${shownWord(text)}: one of ${names.join(', ')}`);
  return name;
}
