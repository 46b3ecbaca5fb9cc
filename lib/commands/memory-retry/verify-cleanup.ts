/** memory-retry EPIC verify-cleanup STREAM: is nothing left of its attempts, neither a process nor a share? Measured. */
import { join } from 'node:path';
import { EXIT } from '../../failure.ts';
import { readText, replaceFile } from '../../files.ts';
import type { Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { counts } from '../../policy/charge.ts';
import { readProcessTable, readTag } from '../../probe/processes.ts';
import { attemptPaths, readResult } from '../../state/attempts.ts';
import { folderOfKey, projectPaths, type EpicPaths } from '../../state/paths.ts';
import { megabytes } from '../../units.ts';
import { TAG_VARIABLE } from '../../act/local-engine.ts';
import { readAgents } from '../agents.ts';
import { openContext } from '../context.ts';
import { findAgent } from '../coordination-memory/find-agent.ts';

/** Exit 0 where nothing is left, 20 where something is. Signals nobody: `coordination-memory EPIC cleanup` does. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);
  const paths = projectPaths(context.projectDir, call.subject);
  const { key, leases } = await findAgent(call, context, paths);
  const table = readProcessTable();
  const agents = readAgents(leases, context.liveness().isAlive, context.nowMs, table);
  const marked = [...table.values()].filter(({ pid }) => isMarked(pid, paths, key));
  const members = new Map(
    [...agents.flatMap((agent) => agent.members), ...marked].map((facts) => [facts.pid, facts]),
  );
  const shares = agents.filter(({ life }) => counts(life));
  const voided = agents.filter(({ life }) => !counts(life));
  const result = readResult(attemptPaths(paths.streamDir(key)).result, context.nowMs, call.err);

  const leftBytes = [...members.values()].reduce((sum, { privateBytes }) => sum + privateBytes, 0);
  const clean = members.size === 0 && leases.length === 0;
  const path = join(paths.coordinationDir, `cleanup-${folderOfKey(paths.epic, key)}.md`);
  const lines: Answer['lines'] = [
    ['stream', key],
    ['clean', clean],
    ['attempt', result?.attempt],
    ['outcome', result?.outcome],
    ['held_before_mb', result?.peakBytes === undefined ? undefined : megabytes(result.peakBytes)],
    ['held_now_mb', megabytes(leftBytes)],
    ['available_mb', megabytes(context.memory.availableBytes)],
    ['processes', members.size],
    ['pids', members.size === 0 ? undefined : [...members.keys()].join(' ')],
    ['shares', shares.length],
    ['void_shares', voided.length],
  ];
  const mend = clean
    ? []
    : [`\`coordination-memory ${paths.epic} cleanup\` ends what is left and gives its share back`];
  writeRecord(path, key, lines, mend, context.nowMs);
  return {
    exitCode: clean ? EXIT.ok : EXIT.warning,
    json: Object.fromEntries([...lines, ['record', path]]),
    lines: [...lines, ['record', path]],
    table: () =>
      `${key}: ${clean ? 'nothing is left' : `${members.size} processes and ${leases.length} shares are left`}\n${path}`,
    talk: [...context.warnings, ...mend],
  };
}

/** Whether a process bears the mark of an attempt at this stream in this project: its lease's tag is no more in the ledger. */
function isMarked(pid: number, paths: EpicPaths, key: string): boolean {
  if (readTag(pid, 'CLAUDE_PM_KEY') !== key) return false;
  const spec = readText(attemptPaths(paths.streamDir(key)).spec);
  const tag = readTag(pid, TAG_VARIABLE);
  return tag !== undefined && spec !== undefined && tagOf(spec) === tag;
}

function tagOf(spec: string): string | undefined {
  return /^ {2}"tag": "([0-9a-f]+)"/m.exec(spec)?.[1];
}

function writeRecord(
  path: string,
  key: string,
  lines: Answer['lines'],
  mend: readonly string[],
  nowMs: number,
): void {
  const rows = lines.flatMap(([name, value]) => (value === undefined ? [] : [`- ${name}: ${String(value)}`]));
  replaceFile(
    path,
    [
      `# Cleanup of ${key}`,
      '',
      `- checked: ${new Date(nowMs).toISOString()}`,
      ...rows,
      ...mend.map((line) => `- to do: ${line}`),
      '',
    ].join('\n'),
  );
}
