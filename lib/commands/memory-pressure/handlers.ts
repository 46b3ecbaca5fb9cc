/** memory-pressure handlers: which handlers there are, in the order in which they run, and how long each may take. */
import { EXIT } from '../../failure.ts';
import type { Call } from '../../flags.ts';
import type { Answer, LineValue } from '../../output/answer.ts';
import { renderTable } from '../../output/table.ts';
import { BUILT_IN } from '../../policy/pressure.ts';
import { openContext } from '../context.ts';
import { builtInTimeoutMs } from './built-in.ts';

/** Exit 0; runs nothing. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);

  const rows = [
    ...BUILT_IN.map(({ name, from, meaning }) => ({
      name,
      kind: 'built-in',
      from: from,
      timeoutMs: builtInTimeoutMs(name, context),
      warning: from === 'critical' ? undefined : meaning,
      critical: meaning,
    })),
    ...context.settings.pressure.handlers.map(({ name, warning, critical, timeoutMs }) => ({
      name,
      kind: 'command',
      from: warning === undefined ? 'critical' : 'warning',
      timeoutMs,
      warning: warning?.join(' '),
      critical: (critical ?? warning)?.join(' '),
    })),
  ];

  return {
    exitCode: EXIT.ok,
    json: { handlers: rows },
    lines: rows.map(({ name, kind, from, timeoutMs, critical }): [string, LineValue] => [
      'handler',
      `${name} kind=${kind} from=${from} timeout_seconds=${timeoutMs / 1000} ${critical ?? ''}`,
    ]),
    table: () =>
      renderTable(
        ['handler', 'from level', 'limit', 'at warning', 'at critical'],
        rows.map(({ name, from, timeoutMs, warning, critical }) => [
          name,
          from,
          `${timeoutMs / 1000}s`,
          warning ?? '-',
          critical ?? '-',
        ]),
      ),
    talk: context.warnings,
  };
}
