/** `start-coordinator`: the coordinator's environment as shell code, or a coordinator running under it. */
import { NOT_EXECUTABLE, NOT_FOUND, runForeground } from '../../act/foreground.ts';
import {
  appliedTo,
  checkPrepared,
  chooseShell,
  prepareEnvironment,
  targetNotes,
  type Prepared,
} from '../../act/prepare.ts';
import { EXIT, Failure } from '../../failure.ts';
import { ensureDir } from '../../files.ts';
import { flagText, shownWord, type Call } from '../../flags.ts';
import { setupCode } from '../../policy/environment.ts';
import { loadLedger } from '../../state/ledger.ts';
import { openContext, type Context } from '../context.ts';
import { registerCoordinator } from './register.ts';

/** Writes shell code and nothing else on stdout, or hands the terminal to the coordinator. @throws Failure where no environment holds. */
export async function run(call: Call): Promise<number> {
  return call.rest.length === 0 ? printCode(call) : runCoordinator(call);
}

async function printCode(call: Call): Promise<number> {
  const shell = chooseShell(flagText(call, 'shell'), call.env);
  const context = await openContext(call);

  const prepared = await prepare(call, context);
  ensureDir(context.stateDir());

  call.out(setupCode(prepared.environment, shell));
  tell(call, context, prepared);
  return EXIT.ok;
}

async function runCoordinator(call: Call): Promise<number> {
  const context = await openContext(call);

  const prepared = await prepare(call, context);
  const missing = prepared.targets.find(({ executable }) => executable.kind === 'missing');
  if (missing) {
    const why = missing.executable.detail ?? 'not found';
    call.err(`${call.program}: ${shownWord(missing.command)}: ${why}`);
    return why.startsWith('not found') ? NOT_FOUND : NOT_EXECUTABLE;
  }
  const stateDir = context.stateDir();
  ensureDir(stateDir);
  loadLedger(stateDir);

  tell(call, context, prepared);
  let lease: { readonly release: () => void } | undefined;
  const end = await runForeground(call.rest, {
    env: appliedTo(call.env, prepared.environment),
    cwd: process.cwd(),
    onStart: (pid) => {
      lease = registerCoordinator(call, context, pid, prepared.environment.heapMb);
    },
  });
  lease?.release();

  if (end.problem !== undefined) call.err(`${call.program}: ${end.problem}`);
  return end.exitCode;
}

async function prepare(call: Call, context: Context): Promise<Prepared> {
  const prepared = await prepareEnvironment({
    role: 'coordinator',
    settings: context.settings,
    kind: undefined,
    program: call.rest[0],
    env: call.env,
    cwd: process.cwd(),
  });
  const { fault } = checkPrepared(prepared, call.env);
  if (fault !== undefined) throw new Failure(fault);
  return prepared;
}

function tell(call: Call, context: Context, prepared: Prepared): void {
  for (const line of context.warnings) call.err(line);
  for (const { what, reason } of prepared.environment.leftOut) call.err(`left out ${what}: ${reason}`);
  for (const line of targetNotes(prepared, context.settings, context.memory)) call.err(line);
}
