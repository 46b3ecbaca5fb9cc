/** What can this script do? The text of --help, made from the same table that dispatches. */
import type { Flag, Program } from '../flags.ts';

/** Help for a program, or for one of its sub-commands. */
export function helpText(
  program: Program,
  command: string | undefined,
  common: Readonly<Record<string, Flag>>,
): string {
  return command === undefined ? programHelp(program, common) : commandHelp(program, command, common);
}

function programHelp(program: Program, common: Readonly<Record<string, Flag>>): string {
  const rows = Object.entries(program.commands).map(([name, { args, rest, summary }]): [string, string] => [
    [name, args, rest === undefined ? undefined : `-- ${rest}`]
      .filter((word) => word !== undefined)
      .join(' '),
    summary,
  ]);
  const subject = program.subject === undefined ? '' : ` ${program.subject}`;
  return [
    `${program.name}: ${program.summary}`,
    '',
    `  npx tsx scripts/${program.name}.ts${subject} ${program.fallback === undefined ? 'SUB-COMMAND' : '[SUB-COMMAND]'} [FLAGS]`,
    '',
    ...columns(rows),
    '',
    'Flags of every sub-command:',
    ...columns(flagRows(common)),
    ...(program.examples ? ['', 'Examples:', ...program.examples.map((example) => `  ${example}`)] : []),
    '',
    'Exit codes: 0 yes or done, 1 a bug of ours, 2 mend something, 20 warning, 30 critical or failed, 75 not now.',
    '',
  ].join('\n');
}

function commandHelp(program: Program, name: string, common: Readonly<Record<string, Flag>>): string {
  const command = program.commands[name];
  if (command === undefined) return programHelp(program, common);
  const own = flagRows(command.flags ?? {});
  const call = [
    program.name,
    program.subject,
    name,
    command.args,
    '[FLAGS]',
    command.rest === undefined ? undefined : `-- ${command.rest}`,
  ];
  return [
    call.filter((word) => word !== undefined).join(' '),
    '',
    `  ${command.summary}`,
    ...(own.length > 0 ? ['', ...columns(own)] : []),
    '',
    'Flags of every sub-command:',
    ...columns(flagRows(common)),
    '',
  ].join('\n');
}

function flagRows(flags: Readonly<Record<string, Flag>>): [string, string][] {
  return Object.entries(flags).map(([name, flag]) => [
    flag.value === undefined ? `--${name}` : `--${name} ${flag.value}`,
    flag.meaning,
  ]);
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(34, Math.max(...rows.map(([left]) => left.length)));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
