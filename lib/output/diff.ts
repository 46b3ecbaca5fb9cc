/** What changed between two texts? Lines with - and +, with three lines around them. */

const AROUND = 3;

interface Step {
  readonly sign: ' ' | '-' | '+';
  readonly line: string;
}

/** A unified diff of two texts of a few hundred lines; empty where they are equal. */
export function unifiedDiff(before: string, after: string, name: string): string {
  if (before === after) return '';
  const steps = diffLines(linesOf(before), linesOf(after));
  const isNear = steps.map((_, at) =>
    steps.slice(Math.max(0, at - AROUND), at + AROUND + 1).some(({ sign }) => sign !== ' '),
  );
  const out = [`--- ${name}`, `+++ ${name}`];
  let [oldLine, newLine] = [1, 1];
  steps.forEach(({ sign, line }, at) => {
    if (isNear[at] === true) {
      if (isNear[at - 1] !== true) out.push(header(steps, isNear, at, oldLine, newLine));
      out.push(`${sign}${line}`);
    }
    if (sign !== '+') oldLine += 1;
    if (sign !== '-') newLine += 1;
  });
  return `${out.join('\n')}\n`;
}

function linesOf(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

/** `@@ -12,7 +12,8 @@` */
function header(
  steps: readonly Step[],
  isNear: readonly boolean[],
  from: number,
  oldLine: number,
  newLine: number,
): string {
  const end = isNear.indexOf(false, from);
  const hunk = steps.slice(from, end < 0 ? steps.length : end);
  const count = (sign: Step['sign']): number => hunk.filter((step) => step.sign !== sign).length;
  return `@@ -${oldLine},${count('+')} +${newLine},${count('-')} @@`;
}

/** By the longest common subsequence of what lies between equal beginnings and ends. */
function diffLines(before: readonly string[], after: readonly string[]): Step[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start += 1;
  let ends = 0;
  const room = Math.min(before.length, after.length) - start;
  while (ends < room && before.at(-1 - ends) === after.at(-1 - ends)) ends += 1;
  const same = (line: string): Step => ({ sign: ' ', line });
  return [
    ...before.slice(0, start).map(same),
    ...changed(before.slice(start, before.length - ends), after.slice(start, after.length - ends)),
    ...before.slice(before.length - ends).map(same),
  ];
}

function changed(before: readonly string[], after: readonly string[]): Step[] {
  const width = after.length + 1;
  const common = new Uint32Array((before.length + 1) * width);
  const at = (row: number, column: number): number => common[row * width + column] ?? 0;
  for (let row = before.length - 1; row >= 0; row -= 1) {
    for (let column = after.length - 1; column >= 0; column -= 1) {
      common[row * width + column] =
        before[row] === after[column]
          ? at(row + 1, column + 1) + 1
          : Math.max(at(row + 1, column), at(row, column + 1));
    }
  }
  const steps: Step[] = [];
  let [row, column] = [0, 0];
  while (row < before.length || column < after.length) {
    const [old, fresh] = [before[row], after[column]];
    if (old !== undefined && old === fresh) {
      steps.push({ sign: ' ', line: old });
      row += 1;
      column += 1;
    } else if (old !== undefined && (fresh === undefined || at(row + 1, column) >= at(row, column + 1))) {
      steps.push({ sign: '-', line: old });
      row += 1;
    } else {
      steps.push({ sign: '+', line: fresh ?? '' });
      column += 1;
    }
  }
  return steps;
}
