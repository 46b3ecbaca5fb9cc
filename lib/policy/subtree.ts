/** Which processes stand below this one? */

/** The pid itself and all of its descendants among the members. Parents and children may come in any order. */
export function pidsBelow(
  topPid: number,
  members: readonly { readonly pid: number; readonly parentPid: number }[],
): Set<number> {
  const inside = new Set([topPid]);
  for (let before = 0; before !== inside.size;) {
    before = inside.size;
    for (const { pid, parentPid } of members) if (inside.has(parentPid)) inside.add(pid);
  }
  return inside;
}
