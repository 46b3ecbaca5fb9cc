/** How does a table look on a terminal? cli-table3 and chalk, loaded only when one is drawn. */

/** A table with a head line; cells may hold colour. Columns are cut to the terminal's width by wrapping the widest. */
export async function renderTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): Promise<string> {
  const [{ default: Table }, { default: chalk }] = await Promise.all([import('cli-table3'), import('chalk')]);
  const table = new Table({
    // chalk knows FORCE_COLOR and --no-color, but not NO_COLOR.
    head: head.map((word) => (process.env['NO_COLOR'] ? word : chalk.bold(word))),
    style: { head: [], border: [], compact: true },
    chars: BORDER,
  });
  table.push(...rows.map((row) => [...row]));
  return table.toString();
}

/** Two blanks between columns and one line under the head: quiet, and it survives copying. */
const BORDER = {
  top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '',
  left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: ' ',
}; // prettier-ignore
