/** Which agents may a prompt become where nobody wrote a roster? */
import type { RosterAgent } from '../settings-model.ts';

const shipped = (name: string, priority: number, when: readonly string[], task: string): RosterAgent => ({
  name,
  when,
  isFallback: name === 'code-analyzer',
  command: undefined,
  kind: name,
  prompt: `${task}\n\n{prompt}`,
  priority,
});

/** `agents.NAME` says how each is started and bounded, else `agents.default`. */
export const DEFAULT_ROSTER: readonly RosterAgent[] = [
  shipped(
    'security-analyst',
    40,
    ['secur*', 'insecur*', 'vulnerab*', 'exploit*', 'inject*', 'xss', 'csrf', 'cve*', 'authent*', 'authori*', 'password*', 'secret*', 'credential*', 'encrypt*', 'sanitiz*', 'privilege*'],
    'Work on the following as a security analyst: find what an attacker could use, say how, and how to mend it.',
  ),
  shipped(
    'performance-auditor',
    30,
    ['performan*', 'perf', 'slow*', 'fast*', 'speed*', 'latenc*', 'throughput', 'memory', 'leak*', 'optimi*', 'profil*', 'bottleneck*', 'benchmark*', 'cach*'],
    'Work on the following as a performance auditor: find what costs time and memory, by measurement where you can.',
  ),
  shipped(
    'test-generator',
    20,
    ['test*', 'untested', 'coverage', 'unit', 'e2e', 'regression*', 'mock*', 'fixture*'],
    'Work on the following as a writer of tests: tests that fail when the code is wrong, boundary cases first.',
  ),
  shipped(
    'code-analyzer',
    10,
    ['analy*', 'review*', 'refactor*', 'architect*', 'explain*', 'quality', 'complex*', 'duplicat*', 'bug*', 'clean*'],
    'Work on the following as a code analyst: say what the code does, where it is wrong or hard to change, and why.',
  ),
]; // prettier-ignore
