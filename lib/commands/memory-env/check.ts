/** `memory-env check`: which flags do the programs take, which limit holds for each, and are the files as they should be? */
import { openCeilings, type Ceilings } from '../../act/ceiling.ts';
import type { HeapCheck } from '../../act/env-files.ts';
import {
  cgroupOf,
  checkPrepared,
  prepareEnvironment,
  type Prepared,
  type Target,
} from '../../act/prepare.ts';
import { EXIT, type ExitCode } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer, LineValue } from '../../output/answer.ts';
import { renderTable } from '../../output/table.ts';
import { ceilingLine, wantsCeiling } from '../../policy/ceiling.ts';
import { ROLES, heapNote, judgeHolding, roleFigures, takesHeapFlags } from '../../policy/environment.ts';
import { MIB } from '../../units.ts';
import { openContext, type Context } from '../context.ts';
import { readEnvFile, requestOf, talkOf } from './common.ts';

interface Row {
  readonly target: string;
  readonly program: string;
  readonly executable: string;
  readonly path: string;
  readonly version: string | undefined;
  readonly accepted: readonly string[];
  readonly refused: readonly { readonly flag: string; readonly message: string }[];
  readonly heapLimitMb: number | undefined;
  readonly holds: readonly { readonly name: string; readonly text: string }[];
  readonly note: string | undefined;
  readonly verdict: 'holds' | 'does-not-hold' | 'missing';
}

interface FileRow {
  readonly path: string;
  readonly state: string;
  readonly fault: string | undefined;
}

/** Answers with one block a program and one a file: 0 all holds, 20 something asked for does not, 2 a program is missing. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);

  const ceilings = openCeilings({ mode: wantsCeiling(context.settings), env: call.env });
  const rows: Row[] = [];
  const files: FileRow[] = [];
  const all: Prepared[] = [];
  for (const role of ROLES) {
    const prepared = await prepareEnvironment(requestOf(call, context, role));
    all.push(prepared);
    const heap = checkPrepared(prepared, call.env);
    rows.push(...targetsOf(prepared).map((target) => judgeTarget(target, prepared, heap, context, ceilings)));
    files.push(checkFile(call, context, prepared));
  }

  const exitCode = judge(rows, files);
  const lines = [...rows.flatMap(rowLines), ...files.flatMap(fileLines), ...ceilingLines(ceilings)];
  const talk = talkOf(
    context,
    all,
    files.flatMap(({ path, fault }) => (fault === undefined ? [] : [`${path}: ${fault}`])),
  );
  return {
    exitCode,
    json: { targets: rows, files, kernelCeiling: { kind: ceilings.kind, reason: ceilings.reason } },
    lines,
    table: async () => {
      const head = ['for', 'program', 'runs', 'heap limit', 'limits that hold', 'verdict'];
      return `${await renderTable(head, rows.map(rowCells))}\n${ceilingLine(ceilings)}`;
    },
    talk,
  };
}

/** Each program of the role; where none is known, the Node that its tools are. */
function targetsOf(prepared: Prepared): Target[] {
  if (prepared.targets.length > 0) return [...prepared.targets];
  const path = prepared.runtimes[0]?.path ?? 'node';
  const executable = { path, kind: 'node' as const, detail: undefined };
  return [{ name: prepared.environment.role, command: 'node', executable }];
}

function judgeTarget(
  target: Target,
  prepared: Prepared,
  heap: HeapCheck,
  { settings, memory }: Context,
  ceilings: Ceilings,
): Row {
  const { executable } = target;
  const { role } = prepared.environment;
  const takesHeap = takesHeapFlags(executable);
  const runtime = takesHeap ? prepared.runtimes.find(({ path }) => path === executable.path) : undefined;
  const { heapMb, limitBytes } = roleFigures(role, settings, settings.agents.get(target.name), takesHeap);
  const missing = executable.kind === 'missing';
  const holds = missing
    ? []
    : judgeHolding({
        role,
        executable,
        settings,
        heapMb,
        limitBytes,
        cgroup: cgroupOf(memory),
        ceiling: ceilings.kind,
      });
  const bytes = runtime === undefined ? undefined : heap.readings[0]?.heapLimitBytes;
  const fails = takesHeap
    ? !heap.holds || (runtime?.refused.length ?? 0) > 0
    : role === 'agent' && holds.some(({ name }) => name === 'none');
  return {
    target: target.name,
    program: target.command,
    executable: executable.kind,
    path: executable.path,
    version: runtime?.version,
    accepted: runtime?.accepted ?? [],
    refused: runtime?.refused ?? [],
    heapLimitMb: bytes === undefined ? undefined : Math.round(bytes / MIB),
    holds,
    note: (takesHeap ? heap.fault : heapNote(executable)) ?? undefined,
    verdict: missing ? 'missing' : fails ? 'does-not-hold' : 'holds',
  };
}

function checkFile(call: Call, context: Context, prepared: Prepared): FileRow {
  const { path, state } = readEnvFile(call, context, prepared);
  if (state === 'missing') return { path, state, fault: undefined };
  if (state === 'stale')
    return {
      path,
      state,
      fault: 'made from other settings or another NODE_OPTIONS; `memory-env create-files` renews it',
    };
  if (state !== 'current')
    return { path, state, fault: 'edited or made by somebody else, so nothing is known of it' };
  return { path, state, fault: checkPrepared(prepared, call.env, path).fault };
}

function judge(rows: readonly Row[], files: readonly FileRow[]): ExitCode {
  if (rows.some(({ verdict }) => verdict === 'missing')) return EXIT.mend;
  const holds =
    rows.every(({ verdict }) => verdict === 'holds') && files.every(({ fault }) => fault === undefined);
  return holds ? EXIT.ok : EXIT.warning;
}

function ceilingLines({ kind, reason }: Ceilings): [string, LineValue][] {
  return [
    ['kernel_ceiling', kind],
    ['kernel_ceiling_reason', reason],
  ];
}

function rowLines(row: Row): [string, LineValue][] {
  return [
    ['target', row.target],
    ['program', row.program],
    ['executable', row.verdict === 'missing' ? 'missing' : `${row.executable} ${row.path}`],
    ['version', row.version],
    ...row.accepted.map((flag): [string, LineValue] => ['accepted', flag]),
    ...row.refused.map(({ flag, message }): [string, LineValue] => ['refused', `${flag} (${message})`]),
    ['heap_limit_mb', row.heapLimitMb],
    ...row.holds.map(({ name, text }): [string, LineValue] => ['limit', `${name}: ${text}`]),
    ['note', row.note],
    ['verdict', row.verdict],
  ];
}

function rowCells(row: Row): string[] {
  const runs = row.version === undefined ? row.executable : `${row.executable} ${row.version}`;
  const heap = row.heapLimitMb === undefined ? '-' : `${row.heapLimitMb} MB`;
  return [row.target, row.program, runs, heap, row.holds.map(({ name }) => name).join(', '), row.verdict];
}

function fileLines({ path, state, fault }: FileRow): [string, LineValue][] {
  return [
    ['file', path],
    ['file_state', state],
    ['file_fault', fault],
  ];
}
