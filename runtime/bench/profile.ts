/** Reads CPU profiles: which functions the time went to. */

/** The part of a V8 CPU profile that is read here; the whole is what is written to a file. */
export type Profile = {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples?: readonly number[] | undefined;
  readonly timeDeltas?: readonly number[] | undefined;
};

export type SelfTime = { readonly name: string; readonly share: number };

/** Functions by the time in themselves, as shares of the time that the process was busy, most first. */
export function selfTimes(profile: Profile): SelfTime[] {
  const names = new Map(profile.nodes.map((node) => [node.id, nameOf(node.callFrame)]));
  const spent = new Map<string, number>();
  let busyUs = 0;
  for (const [index, id] of (profile.samples ?? []).entries()) {
    const name = names.get(id) ?? '(unknown)';
    const us = profile.timeDeltas?.[index] ?? 0;
    if (name !== '(idle)' && name !== '(root)') {
      busyUs += us;
      spent.set(name, (spent.get(name) ?? 0) + us);
    }
  }
  return [...spent].map(([name, us]) => ({ name, share: us / busyUs })).sort((one, other) => other.share - one.share);
}

/** `function file:line`, with as much of the path as tells packages apart. */
function nameOf({ functionName, url, lineNumber }: Profile['nodes'][number]['callFrame']): string {
  if (url === '') {
    return functionName;
  }
  const short = url
    .replace(/^file:\/\//, '')
    .replace(/^.*\/node_modules\//, '')
    .replace(/^.*\/runtime\//, 'runtime/');
  return `${functionName || '(anonymous)'} ${short}:${lineNumber + 1}`;
}
