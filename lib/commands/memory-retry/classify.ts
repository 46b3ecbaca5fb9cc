/** memory-retry classify: the cause of an end, with what it rests on. */
import { EXIT, Failure } from '../../failure.ts';
import { readText } from '../../files.ts';
import { flagText, shownWord, wholeNumber, type Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { classifyEnd, familyOf, parseReport, type EndEvidence } from '../../policy/cause.ts';
import { CAUSE_WORDS } from '../../policy/retry.ts';
import { TAIL_CHARS } from '../../policy/death-texts.ts';
import { readTail } from '../../probe/log-tail.ts';

const ABORTS = ['limit', 'machine', 'user', 'interrupt', 'timeout'] as const;

/** Exit 0 whatever the cause is: the answer is on stdout. */
export function run(call: Call): Answer {
  const evidence = readEvidence(call);

  const finding = classifyEnd(evidence);
  const family = familyOf(finding.cause);

  return {
    exitCode: EXIT.ok,
    json: { ...finding, family },
    lines: [
      ['cause', finding.cause],
      ['meaning', CAUSE_WORDS[finding.cause]],
      ['memory', family === 'memory'],
      ['retried_as', family ?? 'never'],
      ['confidence', finding.confidence],
      ...finding.evidence.map((line) => ['evidence', line] as const),
    ],
    table: () =>
      [
        `${CAUSE_WORDS[finding.cause]} (${finding.cause}, ${finding.confidence})`,
        ...finding.evidence.map((line) => `  ${line}`),
      ].join('\n'),
  };
}

function readEvidence(call: Call): EndEvidence {
  const exit = flagText(call, 'exit');
  const signal = flagText(call, 'signal');
  const aborted = flagText(call, 'aborted');
  const startError = flagText(call, 'start-error');
  const kind = ABORTS.find((name) => name === aborted);
  if (aborted !== undefined && kind === undefined)
    throw new Failure(`--aborted ${shownWord(aborted)}: one of ${ABORTS.join(', ')}`);
  if ([exit, signal, aborted, startError].every((text) => text === undefined))
    throw new Failure('say how it ended: --exit N, --signal NAME, --aborted KIND or --start-error CODE');
  return {
    exitCode: exit === undefined ? undefined : wholeNumber('--exit', exit, 0, 255),
    signal: signal === undefined ? undefined : signalName(signal),
    ourAbort: kind && { kind, reason: 'as --aborted says' },
    startError,
    stderrTail: readLog(call),
    report: readReport(call),
    cgroup: risen(call, 'cgroup-kills', (counted) => ({
      ...counted,
      name: 'named by --cgroup-kills',
      isOwn: true,
      holdsLimit: false,
    })),
    kernelKills: risen(call, 'kernel-kills', (counted) => counted),
    machineWasShort: call.flags['short'] === true,
  };
}

/** `KILL`, `SIGKILL` and `sigkill` are the same. */
function signalName(text: string): string {
  const name = text.toUpperCase();
  if (!/^[A-Z0-9+]{2,12}$/.test(name))
    throw new Failure(`--signal ${shownWord(text)} is no signal; write SIGKILL`);
  return name.startsWith('SIG') ? name : `SIG${name}`;
}

function readLog(call: Call): string | undefined {
  const path = flagText(call, 'log');
  if (path === undefined) return undefined;
  const tail = readTail(path, TAIL_CHARS);
  if (tail === undefined) throw new Failure(`--log ${shownWord(path)}: there is no such file`);
  return tail;
}

function readReport(call: Call): EndEvidence['report'] {
  const path = flagText(call, 'report');
  if (path === undefined) return undefined;
  const text = readText(path);
  const report = text === undefined ? undefined : parseReport(text);
  if (report === undefined)
    throw new Failure(
      `--report ${shownWord(path)}: ${text === undefined ? 'there is no such file' : "no report of Node's"}`,
    );
  return report;
}

function risen<T>(
  call: Call,
  flag: string,
  make: (counted: { before: number; after: number }) => T,
): T | undefined {
  const text = flagText(call, flag);
  return text === undefined
    ? undefined
    : make({ before: 0, after: wholeNumber(`--${flag}`, text, 0, 999_999_999) });
}
