/** Is this text what Prometheus reads? A strict reader of its text format 0.0.4, which throws at the first thing that is not. */

export interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly series: readonly Series[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const VALUE = /^(?:[+-]Inf|NaN|[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)$/;

/** The metrics of a text, each with HELP, TYPE, its samples in one block, and no series twice. */
export function parseExposition(text: string): Family[] {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const families: { name: string; type: string; help: string; series: Series[] }[] = [];
  const seen = new Set<string>();
  const lines = text.slice(0, -1).split('\n');
  for (const [at, line] of lines.entries()) {
    const fail = (what: string): Error => new Error(`line ${at + 1}: ${what}: ${JSON.stringify(line)}`);
    const help = /^# HELP (\S+) (.*)$/s.exec(line);
    if (help) {
      const name = help[1] ?? '';
      if (!NAME.test(name)) throw fail('no name of a metric');
      if (families.some((family) => family.name === name)) throw fail('a second HELP');
      if (/\\(?![\\n])/.test((help[2] ?? '').replaceAll('\\\\', ''))) throw fail('a wrong escape');
      families.push({ name, type: '', help: unescaped(help[2] ?? ''), series: [] });
      continue;
    }
    const family = families.at(-1);
    const type = /^# TYPE (\S+) (gauge|counter)$/.exec(line);
    if (type) {
      if (family?.name !== type[1] || family?.type !== '') throw fail('TYPE without its HELP, or twice');
      if ((type[2] === 'counter') !== /_total$/.test(family.name)) throw fail('_total is for counters');
      family.type = type[2] ?? '';
      continue;
    }
    if (line.startsWith('#') || family === undefined || family.type === '')
      throw fail('no sample of a metric');
    const series = parseSample(line, fail);
    if (series.name !== family.name) throw fail('out of its block');
    const identity = JSON.stringify(Object.entries(series.labels).sort());
    if (seen.has(`${series.name} ${identity}`)) throw fail('a series twice');
    seen.add(`${series.name} ${identity}`);
    family.series.push(series);
  }
  for (const { name, series } of families) if (series.length === 0) throw new Error(`${name} has no sample`);
  return families;
}

function parseSample(line: string, fail: (what: string) => Error): Series {
  const name = /^[^{ ]*/.exec(line)?.[0] ?? '';
  if (!NAME.test(name)) throw fail('no name of a metric');
  const labels: Record<string, string> = Object.create(null) as Record<string, string>;
  let at = name.length;
  if (line[at] === '{') {
    for (at += 1; line[at] !== '}';) {
      const equals = line.indexOf('="', at);
      const label = line.slice(at, equals);
      if (equals < 0 || !LABEL.test(label) || label.startsWith('__')) throw fail('no label');
      if (label in labels) throw fail('a label twice');
      let value = '';
      for (at = equals + 2; line[at] !== '"'; at += 1) {
        if (at >= line.length) throw fail('a label that does not end');
        if (line[at] !== '\\') {
          value += line[at] ?? '';
          continue;
        }
        at += 1;
        const char = { n: '\n', '\\': '\\', '"': '"' }[line[at] ?? ''];
        if (char === undefined) throw fail('a wrong escape');
        value += char;
      }
      labels[label] = value;
      at += 1;
      if (line[at] === ',') at += 1;
      else if (line[at] !== '}') throw fail('labels without a comma');
    }
    at += 1;
  }
  if (line[at] !== ' ' || !VALUE.test(line.slice(at + 1))) throw fail('no value');
  const word = line.slice(at + 1);
  return { name, labels, value: Number(word.replace('Inf', 'Infinity')) };
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
}
