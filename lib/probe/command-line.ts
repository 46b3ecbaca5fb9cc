/** How may a foreign process's command line be shown? Short, on one line, and without the secrets that people pass in it. */

const SECRET = '(?:api[-_]?key|key|token|secret|passw(?:or)?d|passphrase|credentials?|auth)s?';
const SECRET_FLAG = new RegExp(`^--?(?:[\\w-]*[-_])?${SECRET}$`, 'i');
const MASK = '***';

const PATTERNS: readonly (readonly [RegExp, string])[] = [
  // --api-key=VALUE and --api-key VALUE inside a word, as in `sh -c "…"`
  [
    new RegExp(`((?:^|[\\s"'])--?(?:[\\w-]*[-_])?${SECRET}(?:=|\\s+))("[^"]*"|'[^']*'|[^\\s"']+)`, 'gi'),
    `$1${MASK}`,
  ],
  [
    /((?:^|[^\w])[A-Z0-9_]*(?:KEY|TOKEN|SECRET|PASSWO?R?D)[A-Z0-9_]*=)("[^"]*"|'[^']*'|[^\s"']*)/gi,
    `$1${MASK}`,
  ],
  [/\b(Bearer|Basic)\s+[^\s"']+/gi, `$1 ${MASK}`],
  [/\b(sk|pk|rk)-[\w-]{8,}/g, `$1-${MASK}`],
  [/\b(gh[pousr]_|github_pat_|glpat-|xox[abprs]-|AKIA)[\w-]{8,}/g, `$1${MASK}`],
  [/(:\/\/[^\s:/@]+:)[^\s@/]+@/g, `$1${MASK}@`],
];

/** The words joined by spaces, obvious secrets as `***`, control characters as spaces, cut to `length` characters. */
export function maskCommandLine(words: readonly string[], length = 200): string {
  const masked = words.map((word, at) => (isSecretValue(words[at - 1], word) ? MASK : word));
  let text = masked.join(' ');
  for (const [pattern, mask] of PATTERNS) text = text.replace(pattern, mask);
  text = text.replace(/\p{Cc}+/gu, ' ').trim();
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

/** The word after `--token` may hold spaces and quotes, so it is masked as a whole before the words are joined. */
function isSecretValue(before: string | undefined, word: string): boolean {
  return before !== undefined && SECRET_FLAG.test(before) && !word.startsWith('--');
}
