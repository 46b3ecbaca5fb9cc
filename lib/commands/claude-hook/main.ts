/** Which way does a call of the hook take: the client's own, short, or a person's, with a command line? */
import type { Program } from '../../flags.ts';
import { answerHook, isHookWord } from './answer.ts';
import { loadCli } from './cold.ts';

/** The client's calls name an event and nothing else: a hook that loads a command line costs as much again. */
export async function hookMain(program: Program, argv: readonly string[]): Promise<void> {
  const [word, flag, ...more] = argv;
  if (isHookWord(word) && more.length === 0 && (flag === undefined || flag === '--block')) {
    await answerHook(word, process.env, flag === '--block');
    return;
  }
  const { main } = await loadCli();
  await main(program, argv);
}
