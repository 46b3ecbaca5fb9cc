/** What did a clean-up find and give back? */
import type { ExitCode } from '../failure.ts';
import { formatBytes, MIB } from '../units.ts';
import type { Answer, LineValue } from './answer.ts';

export interface SweptView {
  readonly leases: readonly { readonly key: string; readonly life: string }[];
  readonly processes: number;
  readonly freedBytes: number;
  readonly files: readonly string[];
  readonly aside?: string;
}

export function sweptAnswer(swept: SweptView, exitCode: ExitCode, talk: readonly string[]): Answer {
  const { leases, processes, freedBytes, files, aside } = swept;
  return {
    exitCode,
    json: swept,
    lines: [
      ['void_leases', leases.length],
      ['ended_processes', processes],
      ['freed_mb', Math.round(freedBytes / MIB)],
      ['removed_files', files.length],
      ['damaged_ledger', aside],
      ...leases.map(({ key, life }): [string, LineValue] => ['void_lease', `${key} ${life}`]),
      ...files.map((name): [string, LineValue] => ['removed_file', name]),
    ],
    table: () =>
      [
        `${leases.length} void leases given back, ${processes} left-over processes ended (${formatBytes(freedBytes)}), ${files.length} old files removed.`,
        ...(aside === undefined ? [] : [`The damaged ledger was kept as ${aside}.`]),
        ...leases.map(({ key, life }) => `  ${key}: ${life}`),
        ...files.map((name) => `  ${name}`),
      ].join('\n'),
    talk,
  };
}
