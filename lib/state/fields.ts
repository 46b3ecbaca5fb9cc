/** What does a field of a state file hold? Each answers the value in its type or throws an Error that names the field. */
import type { ProcessIdentity } from '../model.ts';

/** Parses what is there. */
export function optional<T>(value: unknown, parse: (value: unknown) => T): T | undefined {
  return value === undefined ? undefined : parse(value);
}

export function optionalNumber(value: unknown, what: string): number | undefined {
  return value === undefined ? undefined : number(value, what);
}

export function text(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new Error(`${what} is no text`);
  return value;
}

export function number(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Error(`${what} is no number`);
  return value;
}

export function oneOf<T extends string>(words: readonly T[], value: unknown, what: string): T {
  const found = words.find((word) => word === value);
  if (found === undefined) throw new Error(`${what} is none of ${words.join(', ')}`);
  return found;
}

export function record(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (!isRecord(value)) throw new Error(`${what} is no object`);
  return value;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function parseIdentity(value: unknown): ProcessIdentity {
  const identity = record(value, 'process');
  return {
    bootId: text(identity['bootId'], 'bootId'),
    pidNamespace: optional(identity['pidNamespace'], (name) => text(name, 'pidNamespace')),
    pid: number(identity['pid'], 'pid'),
    startTicks: number(identity['startTicks'], 'startTicks'),
  };
}
