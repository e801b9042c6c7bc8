/** Owns how a group id is made up as the engine sees it: `<namespace>.<what its clients call it>`. */

/** The part before the first dot; '' for an id without one. */
export function namespaceOfGroup(groupId: string): string {
  const dot = groupId.indexOf('.');
  return dot === -1 ? '' : groupId.slice(0, dot);
}

/** What the group's clients call it. */
export function visibleGroupId(groupId: string): string {
  return groupId.slice(groupId.indexOf('.') + 1);
}
