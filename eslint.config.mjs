// Which imports and which globals may each folder use? The table of ARCHITECTURE.md, enforced.
import tseslint from 'typescript-eslint';

/** Our folders, and what each may import of ours. `policy` is pure; nobody imports a script. */
const MAY_IMPORT = {
  'lib/model.ts': [],
  'lib/run-model.ts': ['model'],
  'lib/settings-model.ts': ['model'],
  'lib/history-model.ts': [],
  'lib/pool-model.ts': ['settings-model', 'model'],
  'lib/units.ts': [],
  'lib/failure.ts': [],
  'lib/names.ts': ['failure', 'model'],
  'lib/files.ts': ['failure'],
  'lib/kernel-files.ts': ['failure'],
  'lib/pipes.ts': ['failure', 'files'],
  'lib/stdio.ts': ['failure', 'files'],
  'lib/lock.ts': ['failure', 'files', 'model'],
  'lib/flags.ts': ['failure', 'units', 'output'],
  'lib/cli.ts': ['failure', 'flags', 'files', 'output', 'probe'],
  'lib/policy/**': ['pool-model', 'settings-model', 'history-model', 'run-model', 'model', 'units', 'policy'],
  'lib/probe/**': ['settings-model', 'history-model', 'model', 'units', 'failure', 'probe'],
  'lib/state/**': [
    'pool-model',
    'settings-model',
    'history-model',
    'model',
    'units',
    'failure',
    'files',
    'lock',
    'names',
    'state',
  ],
  'lib/config/**': ['settings-model', 'history-model', 'model', 'units', 'failure', 'files', 'config'],
  'lib/act/**': [
    'pool-model',
    'pipes',
    'settings-model',
    'history-model',
    'kernel-files',
    'run-model',
    'model',
    'units',
    'failure',
    'files',
    'lock',
    'names',
    'probe',
    'policy',
    'act',
  ],
  'lib/output/**': [
    'pool-model',
    'settings-model',
    'history-model',
    'run-model',
    'model',
    'units',
    'failure',
    'policy',
    'flags',
    'output',
  ],
};

const PLACES = [
  'pool-model',
  'pipes',
  'stdio',
  'settings-model',
  'history-model',
  'run-model',
  'kernel-files',
  'model',
  'units',
  'failure',
  'names',
  'files',
  'lock',
  'flags',
  'cli',
  'policy',
  'probe',
  'state',
  'config',
  'act',
  'output',
  'commands',
];
const FILES = new Set([
  'pool-model',
  'pipes',
  'stdio',
  'settings-model',
  'history-model',
  'run-model',
  'kernel-files',
  'model',
  'units',
  'failure',
  'names',
  'files',
  'lock',
  'flags',
  'cli',
]);

/** Import patterns of everything of ours that is not in the list, as seen from a file at this depth. */
function forbidden(allowed) {
  return PLACES.filter((place) => !allowed.includes(place)).map((place) => ({
    regex: FILES.has(place) ? `^(?:\\./|(?:\\.\\./)+)${place}\\.ts$` : `^(?:\\./|(?:\\.\\./)+)${place}/`,
    message: `The import table does not let this folder import ${place} (ARCHITECTURE.md).`,
  }));
}

const importTable = Object.entries(MAY_IMPORT).map(([files, allowed]) => {
  const pure =
    files.startsWith('lib/policy') || ['lib/model.ts', 'lib/units.ts', 'lib/failure.ts'].includes(files);
  const writesFiles =
    ['lib/files.ts', 'lib/lock.ts', 'lib/kernel-files.ts', 'lib/pipes.ts', 'lib/stdio.ts'].includes(files) ||
    files.startsWith('lib/probe');
  const patterns = forbidden(allowed);
  if (pure) patterns.push({ regex: '^[^.]', message: 'Pure code imports neither node:* nor packages.' });
  else if (!writesFiles)
    patterns.push({
      regex: '^(node:)?fs(/promises)?$',
      message: 'Only lib/files.ts touches files (probes read).',
    });
  return { files: [files], rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns }] } };
});

export default tseslint.config(
  {
    ignores: [
      'dist/',
      'dist-test-*/',
      'node_modules/',
      'coverage/',
      'test/fixtures/',
      'example/',
      '.claude-pm/',
    ],
  },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['*.mjs', 'tools/*.mjs'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      eqeqeq: 'error',
      'max-lines': ['error', { max: 260, skipBlankLines: true, skipComments: true }],
    },
  },
  ...importTable,
  {
    files: ['lib/policy/**', 'lib/model.ts', 'lib/units.ts', 'lib/failure.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        ...[
          'process',
          'console',
          'Date',
          'setTimeout',
          'setInterval',
          'fetch',
          'performance',
          'globalThis',
        ].map((name) => ({ name, message: 'Pure code: time, chance and the world enter as values.' })),
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random', message: 'Pure code: chance enters as a value.' },
      ],
    },
  },
  {
    files: ['lib/api.ts', 'lib/commands/**', 'scripts/**'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            { regex: '^(node:)?fs(/promises)?$', message: 'Only lib/files.ts touches files (probes read).' },
            { regex: '/scripts/', message: 'Nobody imports a script.' },
          ],
        },
      ],
    },
  },
  {
    files: ['lib/**'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: "CallExpression[callee.object.name='process'][callee.property.name='exit']",
          message: 'Programs end by process.exitCode; only cli.ts may exit, when nobody reads.',
        },
      ],
    },
  },
  { files: ['lib/cli.ts'], rules: { 'no-restricted-syntax': 'off' } },
  // One table each: the schema of the settings, and the nouns; and the one module that writes files.
  {
    files: ['lib/config/settings.ts', 'lib/model.ts', 'lib/files.ts'],
    rules: { 'max-lines': ['error', { max: 360, skipBlankLines: true, skipComments: true }] },
  },
  { files: ['scripts/**'], rules: { 'max-lines': ['error', { max: 140 }] } },
  {
    files: ['test/**', 'bench/**'],
    rules: { 'max-lines': 'off', '@typescript-eslint/no-non-null-assertion': 'off' },
  },
  {
    files: ['**/*.mjs', '**/*.cjs'],
    extends: [tseslint.configs.disableTypeChecked],
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
);
