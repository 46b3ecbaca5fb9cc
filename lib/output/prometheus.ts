/** How do figures look to Prometheus? Its text format, version 0.0.4: HELP and TYPE once for each metric, then its samples. */

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Metric {
  /** Letters, digits and `_`; a counter ends in `_total`. */
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** The metrics as text; one without samples is left out: unknown is not 0. Samples of the same labels are added up. */
export function expositionText(metrics: readonly Metric[]): string {
  return metrics
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, type, help, samples }) => {
      const bySeries = new Map<string, number>();
      for (const { labels, value } of samples) {
        const series = `${name}${labelText(labels)}`;
        bySeries.set(series, (bySeries.get(series) ?? 0) + value);
      }
      const lines = [...bySeries].map(([series, value]) => `${series} ${valueText(value)}`);
      return [`# HELP ${name} ${escaped(help, /[\\\n]/g)}`, `# TYPE ${name} ${type}`, ...lines, ''].join(
        '\n',
      );
    })
    .join('');
}

/** A metric without labels; no sample where the value is unknown. */
export function single(type: Metric['type'], name: string, help: string, value: number | undefined): Metric {
  return { name, type, help, samples: value === undefined ? [] : [{ labels: {}, value }] };
}

/** Which one of some states it is: 1 for that one, 0 for the others, as Prometheus shows an enumeration. */
export function stateSet(
  name: string,
  help: string,
  label: string,
  states: readonly string[],
  current: string,
): Metric {
  const samples = states.map((state) => ({ labels: { [label]: state }, value: state === current ? 1 : 0 }));
  return { name, type: 'gauge', help, samples };
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value, /[\\\n"]/g)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(text: string, special: RegExp): string {
  return text.replace(special, (char) => (char === '\n' ? '\\n' : `\\${char}`));
}

function valueText(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}
