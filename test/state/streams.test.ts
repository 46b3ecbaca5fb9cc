import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Failure } from '../../lib/failure.ts';
import type { Stream } from '../../lib/model.ts';
import { loadStreams } from '../../lib/state/streams.ts';
import type { StreamSource } from '../../lib/state/streams.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'streams-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    const path = join(dir, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}

function epic(files: Readonly<Record<string, string>>): void {
  write(
    Object.fromEntries(Object.entries(files).map(([name, text]) => [`.claude/epics/login/${name}`, text])),
  );
}

function load(source: StreamSource = { from: 'epic' }, name = 'login'): Promise<{ streams: Stream[]; notes: string[] }> {
  return loadStreams({ projectDir: dir, epic: name, source });
} // prettier-ignore

function yaml(text: string): Promise<{ streams: Stream[]; notes: string[] }> {
  write({ 'streams.yaml': text });
  return load({ from: 'file', path: 'streams.yaml' });
}

async function failureOf(loading: Promise<unknown>): Promise<string> {
  const failure = await loading.catch((error: unknown) => error);
  if (!(failure instanceof Failure)) throw failure instanceof Error ? failure : new Error('it was taken');
  expect(failure.exitCode).toBe(2);
  expect(failure.message).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  return failure.message;
}

/** `KEY <- what it waits for x what it conflicts with`, without the epic. */
function links(streams: readonly Stream[]): string[] {
  const short = (keys: readonly string[]): string => keys.map((key) => key.replace('login/', '')).join(' ');
  return streams.map((one) =>
    `${short([one.key])} <- ${short(one.dependsOn)} x ${short(one.conflictsWith)}`.trim(),
  );
}

const stream = (id: string, fields = ''): string =>
  `### Stream ${id}: Work ${id}\n**Scope**: part ${id}\n${fields}\n`;

describe('an analysis in the layout of ccpm', () => {
  const fixture = readFileSync(join(import.meta.dirname, '../fixtures/analysis/12-analysis.md'), 'utf8');

  it('gives these streams', async () => {
    epic({ '12-analysis.md': fixture, '12.md': '---\nname: Login\nstatus: open\n---\n# Task\n' });
    const golden = `${JSON.stringify(await load(), undefined, 2)}\n`;
    await expect(golden).toMatchFileSnapshot('../golden/analysis-streams.json');
  });

  it.each([
    ['CRLF', (text: string) => text.replaceAll('\n', '\r\n')],
    ['a byte order mark', (text: string) => `\uFEFF${text}`],
    ['other heading levels', (text: string) => text.replace(/^#{2,4} (\**Stream)/gm, '## $1')],
  ])('is the same with %s', async (_what, change) => {
    epic({ '12-analysis.md': fixture });
    const { streams } = await load();
    epic({ '12-analysis.md': change(fixture) });
    expect((await load()).streams).toEqual(streams);
    expect(streams).toHaveLength(4);
  });

  it.each([
    ['### Stream A: Name', 'A', 'Name'],
    ['## Stream A: Name', 'A', 'Name'],
    ['#### Stream 1 - Name', '1', 'Name'],
    ['### **Stream A: Name**', 'A', 'Name'],
    ['### Stream A (optional): Name', 'A', 'Name'],
    ['### Stream A', 'A', 'Stream A'],
    ['### Stream backend: Name', 'backend', 'Name'],
    ['### stream a — Name', 'a', 'Name'],
    ['### Stream A: \x1b[31mred\x1b[0m', 'A', 'red'],
    ['### Stream constructor: Name', 'constructor', 'Name'],
  ])('reads the heading %j', async (heading, id, title) => {
    epic({ '12-analysis.md': `${heading}\n**Scope**: x\n` });
    expect((await load()).streams).toMatchObject([{ key: `login/12/${id}`, title }]);
  });

  it.each(['# Stream A: Name', '##### Stream A: Name', '### Streams', '### Stream overview', 'Stream A: Name', '```\n### Stream A: Name'])(
    'takes %j for no stream', async (heading) => {
      epic({ '12-analysis.md': `${heading}\n**Scope**: x\n` });
      expect(await failureOf(load())).toContain('nothing to run');
    },
  ); // prettier-ignore

  it.each([
    ['database-specialist', 'database-specialist'],
    ['`database-specialist` (with SQL)', 'database-specialist'],
    ['', 'general-purpose'],
  ])('takes the agent type "%s" for the kind %s', async (written, kind) => {
    epic({ '12-analysis.md': stream('A', `**Agent Type**: ${written}`) });
    expect((await load()).streams[0]?.kind).toBe(kind);
  });

  it.each([
    ['4', 4], ['4.5 hours', 4.5], ['2-3', 2.5], ['14–16.', 15], ['30 minutes', 0.5], ['1h', 1],
    ['2 days', undefined], ['unknown', undefined], ['', undefined], ['0', undefined],
  ])('takes "%s" for %s hours', async (written, hours) => {
    epic({ '12-analysis.md': stream('A', `**Estimated Hours**: ${written}`) });
    expect((await load()).streams[0]?.expectedMs).toBe(hours === undefined ? undefined : hours * 3_600_000);
  }); // prettier-ignore

  it('tells an agent without a prompt what it is, where it is and what is its own', async () => {
    epic({
      '12-analysis.md': stream('A', '**Files**:\n- `a.ts`\n- `b.ts`'),
      '12.md': '---\nstatus: open\n---\n',
    });
    expect((await load()).streams[0]?.prompt?.split('\n')).toEqual([
      'You work on stream A of issue 12 in epic login: Work A',
      'Scope: part A',
      'Your files:',
      '- a.ts',
      '- b.ts',
      expect.stringMatching(
        /^Read \.claude\/epics\/login\/12\.md and \.claude\/epics\/login\/12-analysis\.md first\./,
      ),
    ]);
  });

  it('takes the command, the prompt and the amounts that are written', async () => {
    epic({
      '12-analysis.md': stream('A', '**Command**: `npm test`\n**Prompt**: Do it\nwell.\n**Memory**: 1.5GB\n**Limit**: 3GB (hard)\n**Heap**: 1024'),
    });
    expect((await load()).streams).toMatchObject([
      { command: 'npm test', prompt: 'Do it well.', kind: 'shell', estimateBytes: 1.5 * 1024 ** 3, limitBytes: 3 * 1024 ** 3, heapMb: 1024 },
    ]);
  }); // prettier-ignore

  it('names every fault with its line', async () => {
    epic({
      '12-analysis.md': stream('A', '**Memory**: much\n**Dependencies**: Stream Q') + stream('A'),
      '13-analysis.md': stream('../../x') + stream('B', '**Limit**: 512\n**Dependencies**: Stream B'),
      'a b-analysis.md': '',
    });
    expect((await failureOf(load())).split('\n  ')).toEqual([
      '7 faults in the streams of epic login:',
      expect.stringMatching(/a b-analysis\.md: "a b" is no issue name/),
      '.claude/epics/login/12-analysis.md:3: memory: no size (write it as 512MB or 2GB)',
      '.claude/epics/login/12-analysis.md:4: issue 12 has no stream "Q" (there is A, A)',
      expect.stringMatching(/13-analysis\.md:1: "\.\.\/\.\.\/x" is no stream name/),
      '.claude/epics/login/13-analysis.md:6: limit: less than 1MB (write it as 512MB or 2GB)',
      '.claude/epics/login/12-analysis.md:5: stream login/12/A is also in .claude/epics/login/12-analysis.md:1',
      '.claude/epics/login/13-analysis.md:4: login/13/B depends on itself',
    ]);
  });

  it('ends for any text, and its streams have names that are safe', async () => {
    const line = fc.constantFrom(
      '### Stream A: x', '### Stream B: \x1b[2J\u202Ey', '## Stream __proto__: z', '### Stream ../../etc: z', '**Scope**: a', '**Scope:**',
      '**Files**:', '- `../../../etc/passwd`', '**Dependencies**: Stream A', '**Dependencies**: __proto__, constructor', '```', '~~~~', '---', '',
      '**Prompt**: $(touch x) `id`', '**Agent Type**: \x1b]0;x\x07', '**Memory**: 1e999', '**Can Start**: after Stream A', '# Top', '\0', '\u2028',
    ); // prettier-ignore
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 25 }), async (lines) => {
        epic({ '12-analysis.md': lines.join('\n') });
        const loaded = await load().catch((error: unknown) => {
          if (error instanceof Failure) return { streams: [] };
          throw error;
        });
        for (const { key, title, kind, prompt } of loaded.streams) {
          expect(key).toMatch(/^login\/12\/[AB]$/);
          expect(`${title}${kind}${prompt ?? ''}`).not.toMatch(
            /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/,
          );
        }
      }),
      { numRuns: 150 },
    );
  });

  it.each(['#', ' ', '*', '-', '`', '**Scope', 'Stream ', ': '])(
    'of a megabyte of "%s" on one line ends',
    async (part) => {
      const long = part.repeat(1_000_000 / part.length);
      epic({
        '12-analysis.md': `${stream('A', `**Command**: ${long}x\n**Memory**: 1GB ${long}(\n${long}`)}### Stream ${long}\n${long}\n`,
      });
      if (part === ' ') expect((await load()).streams).toMatchObject([{ command: 'x' }]);
      else expect(await failureOf(load())).toContain('command has 1');
    },
  );
});

describe('dependencies between streams of an epic', () => {
  it.each([
    ['**Dependencies**: none', ''],
    ['**Dependencies**: Stream A', '12/A'],
    ['**Can Start**: immediately', ''],
    ['**Can Start**: after Stream A completes', '12/A'],
    ['**Can Start**: after dependencies\n**Dependencies**: Stream A', '12/A'],
    ['**Can Start**: when dependencies are done', ''],
    ['**Dependencies**:\n- Stream A (schema)\n- 13/A', '12/A 13/A'],
    ['**Dependencies**: login/13/A', '13/A'],
    ['**Dependencies**: Issue 13', '13/A 13/B'],
  ])('%j: waits for "%s"', async (field, expected) => {
    epic({ '12-analysis.md': stream('A') + stream('B', field), '13-analysis.md': stream('A') + stream('B') });
    expect(links((await load()).streams)[1]).toBe(`12/B <- ${expected} x`);
  });

  it('come from the task files for all streams of an issue', async () => {
    epic({
      '1.md': '---\nname: Fix: the login\nstatus: open\nparallel: true\n---\n',
      '1-analysis.md': stream('A') + stream('B'),
      '2.md': '---\ndepends_on: [1]   # first things first\nconflicts_with: []\nparallel: false\n---\n',
      '2-analysis.md': stream('A') + stream('B', '**Dependencies**: Stream A'),
      '010.md': '---\r\ndepends_on:\r\n  - "2"\r\n  - 1\r\nconflicts_with: [011]\r\n---\r\n',
      '010-analysis.md': stream('A'),
      '011.md': '---\ndepends_on: []\n---\n',
      '011-analysis.md': stream('A'),
    });
    expect(links((await load()).streams)).toEqual([
      '1/A <-  x', '1/B <-  x', '2/A <- 1/A 1/B x 2/B', '2/B <- 2/A 1/A 1/B x 2/A',
      '010/A <- 2/A 2/B 1/A 1/B x 011/A', '011/A <-  x 010/A',
    ]); // prettier-ignore
  });

  it.each(['closed', 'Closed', '"completed"', 'done'])(
    'on an issue with status %s are satisfied',
    async (status) => {
      epic({
        '1.md': `---\nstatus: ${status}\n---\n`,
        '1-analysis.md': stream('A'),
        '2.md': '---\ndepends_on: [1]\nconflicts_with: [1]\n---\n',
        '2-analysis.md': stream('A', '**Dependencies**: 1/A'),
      });
      const { streams, notes } = await load();
      expect(links(streams)).toEqual(['2/A <-  x']);
      expect(notes).toEqual(['.claude/epics/login/1.md: issue 1 is closed: its streams are left out']);
    },
  );

  it('on an open issue without streams cannot be satisfied', async () => {
    epic({ '1.md': '---\nstatus: open\n---\n', '2.md': '---\ndepends_on: [1]\n---\n', '2-analysis.md': stream('A') + stream('B') });
    expect(await failureOf(load())).toBe(
      '.claude/epics/login/2.md: issue 1 has no streams to wait for: close it, or write 1-analysis.md',
    );
  }); // prettier-ignore

  it('that are prose are told, not guessed', async () => {
    epic({ '12-analysis.md': stream('A', '**Dependencies**: the new database') });
    const { streams, notes } = await load();
    expect(links(streams)).toEqual(['12/A <-  x']);
    expect(notes).toEqual([
      '.claude/epics/login/12-analysis.md:3: "the new database" names no stream of this epic: stream 12/A does not wait for it',
    ]);
  });

  it('in a circle are told with the circle', async () => {
    epic({
      '12-analysis.md': stream('A', '**Dependencies**: C') + stream('B', '**Dependencies**: A') + stream('C', '**Dependencies**: B'),
    });
    expect(await failureOf(load())).toBe(
      '.claude/epics/login/12-analysis.md:1: these wait for each other: login/12/A -> login/12/C -> login/12/B -> login/12/A',
    );
  }); // prettier-ignore
});

describe('an epic', () => {
  it.each([
    ['lgoin', /no epic lgoin: there is no folder .*\.claude\/epics\/lgoin; did you mean login\?/],
    ['zzz', /no epic zzz: .*; there is login, search$/],
    ['../../etc', /is no epic name/],
    ['', /is no epic name/],
  ])('named %j is refused', async (name, message) => {
    write({ '.claude/epics/login/epic.md': '', '.claude/epics/search/epic.md': '' });
    expect(await failureOf(load({ from: 'epic' }, name))).toMatch(message);
  });

  it('is refused where there are none at all', async () => {
    expect(await failureOf(load())).toMatch(/no epic login: there is no folder .*login$/);
  });

  it('that is closed altogether has nothing to do, which is no fault', async () => {
    epic({ '1.md': '---\nstatus: closed\n---\n' });
    expect((await load()).streams).toEqual([]);
  });

  it('without an analysis is refused', async () => {
    epic({ 'epic.md': '---\nstatus: open\n---\n', '1.md': '---\nstatus: open\n---\n' });
    expect(await failureOf(load())).toMatch(
      /^nothing to run: .*\n {2}.*1\.md: issue 1 has no 1-analysis\.md: no streams$/,
    );
  });
});

describe('a streams file', () => {
  it('may say everything', async () => {
    const { streams } = await yaml(`
streams:
  - {id: 001, issue: 7, title: First, kind: builder, command: [npm, test], cwd: pkg/../pkg/a, env: {CI: 1, __proto__: x}, memory: 512MB, limit: 1GB, heap: 256, expected: 20m}
  - stream: B
    command: echo hi && true
    depends_on: 7/001
    conflicts_with: [001]
  - id: C
    prompt: |
      Two
      lines
    depends_on: [B, login/7/001]
`);
    expect(streams).toEqual([
      {
        key: 'login/7/001', epic: 'login', issue: '7', id: '001', title: 'First', kind: 'builder', command: ['npm', 'test'],
        prompt: undefined, cwd: 'pkg/a', env: Object.fromEntries([['CI', '1'], ['__proto__', 'x']]), dependsOn: [], conflictsWith: ['login/0/B'],
        estimateBytes: 512 * 1024 ** 2, limitBytes: 1024 ** 3, heapMb: 256, expectedMs: 1_200_000, source: 'streams.yaml:3',
      },
      {
        key: 'login/0/B', epic: 'login', issue: '0', id: 'B', title: 'echo hi && true', kind: 'shell', command: 'echo hi && true',
        prompt: undefined, cwd: undefined, env: {}, dependsOn: ['login/7/001'], conflictsWith: ['login/7/001'],
        estimateBytes: undefined, limitBytes: undefined, heapMb: undefined, expectedMs: undefined, source: 'streams.yaml:4',
      },
      {
        key: 'login/0/C', epic: 'login', issue: '0', id: 'C', title: 'Stream C', kind: 'general-purpose', command: undefined,
        prompt: 'Two\nlines', cwd: undefined, env: {}, dependsOn: ['login/0/B', 'login/7/001'], conflictsWith: [],
        estimateBytes: undefined, limitBytes: undefined, heapMb: undefined, expectedMs: undefined, source: 'streams.yaml:8',
      },
    ]);
  }); // prettier-ignore

  it('may be JSON, a list alone, and have values that are not there', async () => {
    const { streams } = await yaml('[{"id": 1, "command": "true", "title": null, "depends_on": []},\n {"id": "2", "kind": "x", "memory": null}]');
    expect(streams).toMatchObject([
      { key: 'login/0/1', title: 'true', source: 'streams.yaml:1' },
      { key: 'login/0/2', kind: 'x', command: undefined, prompt: undefined, estimateBytes: undefined, source: 'streams.yaml:2' },
    ]);
  }); // prettier-ignore

  it('has all its faults told at once, with their lines', async () => {
    const message = await failureOf(
      yaml(`
- id: A
  comand: true
  memory: 12 parsecs
- id: ../B
  command: x
- command: x
- id: C
  stream: D
  command: []
- id: E
  kind: k
  cwd: ../other
  env: {1A: x, B: [x]}
  limit: 256MB
  heap: 512
- id: F
  command: x
  depends_on: [E, Fx, {a: b}]
- just text
- id: G
`),
    );
    expect(message.split('\n  ')).toEqual([
      '15 faults in the streams of epic login:',
      expect.stringMatching(/^streams\.yaml:3: unknown key "comand" .*: did you mean command\?$/),
      'streams.yaml:2: stream A has neither command nor prompt nor kind',
      'streams.yaml:4: memory: no size (write it as 512MB or 2GB)',
      expect.stringMatching(/^streams\.yaml:5: "\.\.\/B" is no stream name/),
      'streams.yaml:7: this stream has no id',
      'streams.yaml:9: "id" and "stream" are the same: write one',
      'streams.yaml:10: command is empty',
      'streams.yaml:13: cwd: "../other" is no folder in the project',
      'streams.yaml:14: env: "1A" is no variable name',
      'streams.yaml:14: env: "B" needs one value',
      'streams.yaml:15: limit is below heap: the process would be stopped before its heap is full',
      'streams.yaml:19: depends_on: plain values are needed here',
      'streams.yaml:20: a stream is a map: write "- id: A" and its other keys below',
      'streams.yaml:21: stream G has neither command nor prompt nor kind',
      'streams.yaml:19: there is no stream "Fx": did you mean F?',
    ]);
  });

  it.each([
    ['', 'no list of streams'],
    ['streams: 3', 'no list of streams'],
    ['stream: []', 'unknown key "stream" (there is streams): did you mean streams?'],
    ['- id: A\n  id: B\n  command: x', 'streams.yaml:2: Map keys must be unique'],
    ['- {id: A', 'streams.yaml:1: '],
    ['- &a {id: A, command: x}\n- *a', 'streams.yaml:2: a stream is a map'],
    ['- {id: A, command: "a\\0b"}', 'streams.yaml:1: command holds a NUL'],
    ['- {id: A, command: "\\u001b[2J", depends_on: ["\\u001b[2J"]}', 'there is no stream "\\x1b[2J"'],
    ['- {id: A, command: x, limit: 1GB, memory: 2GB}', 'limit is below memory'],
    ['- {id: A, command: x, cwd: /etc}', 'cwd: "/etc" is no folder in the project'],
    ['- {id: A, command: x, expected: soon}', 'expected: no duration'],
    ['- {id: A, command: x, depends_on: [A]}', 'login/0/A depends on itself'],
    ['- {id: back, command: x}\n- {id: B, command: x, depends_on: [bakc]}', 'streams.yaml:2: there is no stream "bakc": did you mean back?'],
    ['- {id: A, command: x}\n- {id: B, command: x, depends_on: [other/0/A]}', '"other/0/A" is of another epic'],
    ['- {id: A, issue: 1, command: x}\n- {id: A, issue: 2, command: x}\n- {id: B, command: x, depends_on: [A]}', '"A" is ambiguous: write login/1/A or login/2/A'],
    ['- {id: A, command: x}\n- {id: a, command: x}', 'stream login/0/a differs from login/0/A (streams.yaml:1) in capitals alone'],
    [`- {id: A, prompt: ${'x'.repeat(200_000)}}`, 'prompt has 200000 bytes: one argument takes at most 131071'],
  ])('%# is refused', async (text, message) => {
    expect(await failureOf(yaml(text))).toContain(message);
  }); // prettier-ignore

  it('that is missing is named', async () => {
    expect(await failureOf(load({ from: 'file', path: 'none.yaml' }))).toBe(
      `there is no streams file ${join(dir, 'none.yaml')}`,
    );
  });

  it('lists at most thirty faults and counts the others', async () => {
    const message = await failureOf(
      yaml(Array.from({ length: 100 }, (_, at) => `- {id: S${at}, nonsense: 1, kind: k}`).join('\n')),
    );
    expect(message.split('\n')).toHaveLength(32);
    expect(message).toMatch(/^100 faults[^]*and 70 more$/);
  });

  it('of ten thousand streams in one chain is read whole, and a circle in it is found', async () => {
    const chain = (first: number): string =>
      JSON.stringify(Array.from({ length: 10_000 }, (_, at) => ({ id: `s${at}`, command: 'true', depends_on: at === 0 ? (first > 0 ? [`s${first}`] : []) : [`s${at - 1}`] })));
    const { streams } = await yaml(chain(0));
    expect(streams).toHaveLength(10_000);
    expect(streams.at(-1)?.dependsOn).toEqual(['login/0/s9998']);
    expect(await failureOf(yaml(chain(9999)))).toMatch(/these wait for each other: login\/0\/s0 -> login\/0\/s9999 -> .* -> 9988 more -> login\/0\/s0$/);
  }); // prettier-ignore
});

describe('lines', () => {
  it('are commands; blank ones are nothing', async () => {
    const { streams } = await load({ from: 'lines', text: 'echo 1\r\n\n  \n  echo "2"  \n' });
    expect(streams).toMatchObject([
      {
        command: 'echo 1',
        kind: 'shell',
        title: 'echo 1',
        issue: 'stdin',
        prompt: undefined,
        source: 'stdin:1',
      },
      { command: 'echo "2"', source: 'stdin:4' },
    ]);
  });

  it('keep their keys in whatever order they come, repeats included', async () => {
    const line = fc.constantFrom('true', 'false', 'echo 1', 'echo 10', 'echo 1 ');
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 12 }), fc.integer(), async (lines, seed) => {
        const other = lines.map((text, at) => ({ text, rank: Math.sin(seed + at) })).sort((a, b) => a.rank - b.rank);
        const one = await load({ from: 'lines', text: lines.join('\n') });
        const two = await load({ from: 'lines', text: other.map(({ text }) => text).join('\n') });
        const commands = ({ streams }: { streams: Stream[] }): [string, unknown][] =>
          streams.map(({ key, command }): [string, unknown] => [key, command]).sort((a, b) => (a[0] < b[0] ? -1 : 1));
        expect(commands(two)).toEqual(commands(one));
        expect(new Set(one.streams.map(({ key }) => key)).size).toBe(lines.length);
      }),
      { numRuns: 50 },
    );
  }); // prettier-ignore

  it('that no shell can be given are refused', async () => {
    expect(await failureOf(load({ from: 'lines', text: 'true\na\0b' }))).toBe(
      'stdin:2: this line holds a NUL, which no program can be given',
    );
  });
});
