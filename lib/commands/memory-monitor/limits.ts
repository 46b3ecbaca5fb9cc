/** memory-monitor limits: every setting with its value, its origin and the reason. */
import { EXIT, Failure } from '../../failure.ts';
import { didYouMean, shownWord, type Call } from '../../flags.ts';
import type { Answer } from '../../output/answer.ts';
import { renderTable } from '../../output/table.ts';
import { openContext } from '../context.ts';

/** All sections, or the one that is named. */
export async function run(call: Call): Promise<Answer> {
  const context = await openContext(call);
  const [section] = call.args;
  const sections = [...new Set(context.values.map(({ key }) => key.split('.')[0] ?? key))];
  if (section !== undefined && !sections.includes(section)) {
    throw new Failure(
      `there is no section ${shownWord(section)} (${sections.join(', ')})${await didYouMean(section, sections)}`,
    );
  }
  const values = context.values.filter(
    ({ key }) => section === undefined || key === section || key.startsWith(`${section}.`),
  );

  const written = ({ value, unit }: (typeof values)[number]): string =>
    `${String(value)}${unit === undefined ? '' : ` ${unit}`}`;
  return {
    exitCode: EXIT.ok,
    json: { files: context.files, values },
    lines: [
      [
        'settings_files',
        context.files.map(({ path, found }) => `${path}${found ? '' : ' (none)'}`).join(' '),
      ],
      ...values.map(
        (value) =>
          [
            value.key,
            `${written(value)} (${value.origin}${value.reason === undefined ? '' : `: ${value.reason}`})`,
          ] as const,
      ),
    ],
    table: () =>
      renderTable(
        ['setting', 'value', 'from', 'because'],
        values.map((value) => [value.key, written(value), value.origin, value.reason ?? '']),
      ),
    talk: context.warnings,
  };
}
