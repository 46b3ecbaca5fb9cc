/** Does a call mean one command (`run`, `classify`), or a stream of an epic (`EPIC SUB-COMMAND STREAM`)? */
import type { Program } from '../../flags.ts';

/** The program that the words belong to, so that a slip is told by the one that was meant. */
export function chooseForm(argv: readonly string[], plain: Program, epic: Program): Program {
  const end = argv.indexOf('--');
  const words = end < 0 ? argv : argv.slice(0, end);
  const bare = words.filter(
    (word, at) => !word.startsWith('-') && words[at - 1] !== '--project' && words[at - 1] !== '--set',
  );
  const [first = '', second = ''] = bare;
  if (Object.hasOwn(epic.commands, second)) return epic;
  if (Object.hasOwn(plain.commands, first)) return plain;
  if (first !== '' && (words.includes('--help') || words.includes('-h'))) return epic;
  // `EPIC chekc 1/A` is an epic's, `clasify --exit 1` is not.
  const leading = words.findIndex((word, at) => at > words.indexOf(first) && word.startsWith('-'));
  const together = (leading < 0 ? words : words.slice(0, leading)).filter((word) => bare.includes(word));
  return together.length > 1 ? epic : plain;
}
